"""What can go wrong with documents.

ValidationFailed
├── FileMissing        422  file_missing
├── FileEmpty          422  file_empty
└── ArchiveRefused     422  archive_limit | archive_invalid
TooLarge
└── FileTooLarge       413  file_too_large
UnsupportedType
└── TypeMismatch       415  type_mismatch
Conflict
└── NotRetryable       409  not_retryable
Unavailable
└── EmbeddingUnavailable  503  embedding_unavailable  (carries Retry-After)
UpstreamFailed
└── EmbeddingRejected  502  embedding_rejected
"""

from core.errors import Conflict, TooLarge, Unavailable, UnsupportedType, UpstreamFailed, ValidationFailed


class FileMissing(ValidationFailed):
    code = "file_missing"
    message = "Send one file in the multipart field “file”."


class FileEmpty(ValidationFailed):
    code = "file_empty"
    message = "The file is empty (0 bytes)."


class ArchiveRefused(ValidationFailed):
    code = "archive_limit"
    message = "The document unpacks to more than is allowed."


class FileTooLarge(TooLarge):
    code = "file_too_large"


class TypeMismatch(UnsupportedType):
    message = (
        "The file's content does not fit its name, or its type is not supported. "
        "PDF, DOCX, TXT, Markdown, CSV, JSON and HTML can be read."
    )


class NotRetryable(Conflict):
    code = "not_retryable"
    message = "Only a document that failed for a passing reason can be tried again."


class EmbeddingUnavailable(Unavailable):
    code = "embedding_unavailable"
    message = "The embedding service does not answer. It is tried again by itself."


class EmbeddingRejected(UpstreamFailed):
    code = "embedding_rejected"
    message = "The embedding service refused the request. Check EMBEDDING_BASE_URL, its key and its model."
    retryable = False
