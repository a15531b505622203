"""Where built assets are stored: hashed names once built, plain names before (tests, a bare clone)."""

from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class AssetStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """A page renders even before the first build: a name that the manifest lacks stays as it is."""

    manifest_strict = False

    def __init__(self, *args: Any, **options: Any) -> None:
        # Uploads are private to their owner; assets are public, and an image's build user is not its run user.
        super().__init__(*args, **{"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755, **options})

    def stored_name(self, name: str) -> Any:
        try:
            return super().stored_name(name)
        except ValueError:  # neither in the manifest nor on disk
            return name
