"""The run loop: pure asyncio and plain values, no Django, no database."""
