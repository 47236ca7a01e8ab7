/** How each assistant is told of an MCP server. Formats as their makers document them (read 2026-11-21). */

export interface Setup {
  /** Where the text belongs. */
  where: string;
  text: string;
  /** What else is to be done or known. */
  note?: string;
}

export interface Assistant {
  id: string;
  name: string;
  docs: string;
  setups: (address: string, tokenRequired: boolean) => Setup[];
}

const NAME = "archon";
const TOKEN = "YOUR_ARCHON_TOKEN";
const BEARER = `Bearer ${TOKEN}`;

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

function headers(tokenRequired: boolean, bearer = BEARER) {
  return tokenRequired ? { headers: { Authorization: bearer } } : {};
}

function isLocal(address: string): boolean {
  return /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])[:/]/.test(address);
}

function claudeCode(url: string, token: boolean): Setup[] {
  const header = token ? ` --header "Authorization: ${BEARER}"` : "";
  const entry = { type: "http", url, ...headers(token) };
  return [
    {
      where: "In a terminal",
      text: `claude mcp add --transport http --scope user ${NAME} ${url}${header}`,
      note: "For one project only, leave out --scope user. /mcp inside Claude Code shows whether it is connected.",
    },
    {
      where: "Or in .mcp.json of a project",
      text: pretty({ mcpServers: { [NAME]: entry } }),
    },
  ];
}

function claudeDesktop(url: string, token: boolean): Setup[] {
  const plain = url.startsWith("http://") && !isLocal(url) ? ["--allow-http"] : [];
  // A space inside an argument is lost on some systems, so the header's value comes from the environment.
  const args = ["-y", "mcp-remote", url, ...plain, ...(token ? ["--header", "Authorization:${AUTH}"] : [])];
  const entry = { command: "npx", args, ...(token ? { env: { AUTH: BEARER } } : {}) };
  return [
    {
      where: "claude_desktop_config.json (Settings, Developer, Edit Config)",
      text: pretty({ mcpServers: { [NAME]: entry } }),
      note: "This file knows only programs, so mcp-remote stands between; it needs Node.js. Then restart Claude Desktop.",
    },
  ];
}

export const ASSISTANTS: readonly Assistant[] = [
  { id: "claude-code", name: "Claude Code", docs: "https://code.claude.com/docs/en/mcp", setups: claudeCode },
  {
    id: "claude-desktop",
    name: "Claude Desktop",
    docs: "https://modelcontextprotocol.io/docs/develop/connect-local-servers",
    setups: claudeDesktop,
  },
  {
    id: "cursor",
    name: "Cursor",
    docs: "https://cursor.com/docs/mcp",
    setups: (url, token) => [
      {
        where: "~/.cursor/mcp.json, or .cursor/mcp.json in a project",
        text: pretty({ mcpServers: { [NAME]: { url, ...headers(token) } } }),
      },
    ],
  },
  {
    id: "vscode",
    name: "VS Code",
    docs: "https://code.visualstudio.com/docs/copilot/reference/mcp-configuration",
    setups: (url, token) => [
      {
        where: ".vscode/mcp.json",
        text: pretty({
          ...(token
            ? {
                inputs: [
                  { type: "promptString", id: "archon-token", description: "ARCHON_TOKEN", password: true },
                ],
              }
            : {}),
          servers: { [NAME]: { type: "http", url, ...headers(token, "Bearer ${input:archon-token}") } },
        }),
        note: token ? "VS Code asks for the token once and keeps it." : undefined,
      },
    ],
  },
  {
    id: "windsurf",
    name: "Windsurf",
    docs: "https://docs.windsurf.com/windsurf/cascade/mcp",
    setups: (url, token) => [
      {
        where: "~/.codeium/windsurf/mcp_config.json",
        text: pretty({ mcpServers: { [NAME]: { serverUrl: url, ...headers(token) } } }),
        note: "Then press Refresh in Cascade's MCP panel.",
      },
    ],
  },
  {
    id: "gemini",
    name: "Gemini CLI",
    docs: "https://geminicli.com/docs/tools/mcp-server/",
    setups: (url, token) => [
      {
        where: "~/.gemini/settings.json",
        text: pretty({ mcpServers: { [NAME]: { httpUrl: url, ...headers(token) } } }),
      },
    ],
  },
  {
    id: "codex",
    name: "Codex",
    docs: "https://developers.openai.com/codex/mcp",
    setups: (url, token) => [
      {
        where: "~/.codex/config.toml",
        text: [
          `[mcp_servers.${NAME}]`,
          `url = "${url}"`,
          ...(token ? ['bearer_token_env_var = "ARCHON_TOKEN"'] : []),
        ].join("\n"),
        note: token
          ? "Codex reads the token from the variable ARCHON_TOKEN of the shell that starts it."
          : undefined,
      },
    ],
  },
  {
    id: "cline",
    name: "Cline",
    docs: "https://docs.cline.bot/mcp/configuring-mcp-servers",
    setups: (url, token) => [
      {
        where: "cline_mcp_settings.json (MCP Servers, Configure, Configure MCP Servers)",
        text: pretty({ mcpServers: { [NAME]: { type: "streamableHttp", url, ...headers(token) } } }),
      },
    ],
  },
  {
    id: "kiro",
    name: "Kiro",
    docs: "https://kiro.dev/docs/mcp/configuration",
    setups: (url, token) => [
      {
        where: "~/.kiro/settings/mcp.json, or .kiro/settings/mcp.json in a project",
        text: pretty({ mcpServers: { [NAME]: { url, ...headers(token) } } }),
      },
    ],
  },
  {
    id: "other",
    name: "Other",
    docs: "https://modelcontextprotocol.io/docs/getting-started/intro",
    setups: (url, token) => [
      { where: "Address, for streamable HTTP", text: url },
      ...(token ? [{ where: "Header", text: `Authorization: ${BEARER}` }] : []),
    ],
  },
];
