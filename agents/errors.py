"""What can go wrong with agents.

core.Conflict
├── VersionConflict     409 version_conflict   another edit came first
└── AgentLimitReached   ...                    (with billing)
"""

from core.errors import Conflict


class VersionConflict(Conflict):
    code = "version_conflict"
    message = "This agent was changed meanwhile. Load the newer version, then repeat your change."
