"""The agent as an MCP server: tools `ask` and `search`, its documents as resources. docs/mcp.md tells the protocol.

`door` is light and always there; everything else here imports the official SDK, and is itself imported by the first
request that needs it (`door.load_service`).
"""
