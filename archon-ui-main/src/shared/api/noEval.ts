import { z } from "zod";

// Compiled schemas need eval, which the page's security policy forbids. Imported before any schema is made.
z.config({ jitless: true });
