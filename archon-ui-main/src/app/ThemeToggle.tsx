import { Monitor, Moon, Sun } from "lucide-react";
import { IconButton } from "@/shared/ui/Button";
import { nextTheme, setTheme, type Theme, useTheme } from "./theme";

const ICONS = { system: Monitor, light: Sun, dark: Moon } as const;
const WORDS: Record<Theme, string> = { system: "as the system", light: "light", dark: "dark" };

export function ThemeToggle() {
  const theme = useTheme();
  const next = nextTheme(theme);
  const Icon = ICONS[theme];
  return (
    <IconButton label={`Theme: ${WORDS[theme]}. Change to ${WORDS[next]}`} onClick={() => setTheme(next)}>
      <Icon aria-hidden className="size-[1.125rem]" />
    </IconButton>
  );
}
