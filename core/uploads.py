"""Where uploaded files wait until a view takes them."""

from django.core.files.uploadhandler import TemporaryFileUploadHandler


class CleaningUploadHandler(TemporaryFileUploadHandler):
    """Files on disk, never in memory; one that cannot be written to its end is removed at once."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError:
            self.file.close()
            raise
