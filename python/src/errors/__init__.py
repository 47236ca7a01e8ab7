"""The one error family. Every failure that a person can meet is one of these classes.

A class says what kind of failure it is (`code`), which HTTP status our REST face gives it, whether
trying again can heal it, what it means and what to do next; the instance carries where it happened
(`ErrorContext`). Nothing here imports anything of ours.
"""

from __future__ import annotations

from .base import ArchonError as ArchonError
from .base import ErrorContext as ErrorContext
from .base import JsonScalar as JsonScalar
from .base import JsonValue as JsonValue
from .base import redact as redact
from .base import redact_url as redact_url


class InvalidInput(ArchonError):
    code = "invalid_input"
    http_status = 422
    meaning = "The request holds a value that cannot be used."
    default_next_step = "Correct the named field and send it again."


class NotFound(ArchonError):
    code = "not_found"
    http_status = 404
    meaning = "The thing that was asked for does not exist (any more)."
    default_next_step = "Reload the list and choose again."


class Conflict(ArchonError):
    code = "conflict"
    http_status = 409
    meaning = "The request does not fit the present state, for example because the same work is running."
    default_next_step = "Wait until the running work ends, or stop it first."


class AccessDenied(ArchonError):
    code = "access_denied"
    http_status = 403
    meaning = "The request came from a host, an origin or a caller that is not allowed."
    default_next_step = "Send the token, or add the name to ARCHON_ALLOWED_HOSTS or ARCHON_ALLOWED_ORIGINS."


class TokenRequired(AccessDenied):
    code = "token_required"
    http_status = 401
    meaning = "This server listens beyond this machine and wants its token."
    default_next_step = "Send 'Authorization: Bearer <ARCHON_TOKEN>'; the token stands in the .env file of the server."


class ConfigurationError(ArchonError):
    code = "configuration"
    http_status = 422
    meaning = "A setting is missing or cannot be used, so nothing was sent."
    default_next_step = "Open Settings, fill in the named field and press Check."


class SecretUnreadable(ConfigurationError):
    code = "secret_unreadable"
    meaning = "A stored secret cannot be decrypted with the present key."
    default_next_step = "Enter the secret again in Settings, or restore the former secret.key."


class StoreError(ArchonError):
    code = "store"
    http_status = 503
    retryable = True
    meaning = "The database did not do what was asked."
    default_next_step = "Run `archon doctor`; it names the part of the database that is broken."


class StoreUnavailable(StoreError):
    code = "store_unavailable"
    meaning = "The database cannot be reached."
    default_next_step = "Start it with `make up`, or correct DATABASE_URL; then try again."


class DiskFull(StoreError):
    code = "disk_full"
    retryable = False
    meaning = "The disk that holds the database is full, or nearly; nothing was written."
    default_next_step = (
        "Free some space on the disk of the data folder and try again. What was stored before is untouched."
    )


class MigrationNeeded(StoreError):
    code = "migration_needed"
    retryable = False
    meaning = "The database lacks tables that this version needs, or is newer than this version."
    default_next_step = "Run `archon migrate`."


class IngestError(ArchonError):
    code = "ingest"
    http_status = 422
    meaning = "A page or file could not be taken in."
    default_next_step = "Look at the reason beside each page and try the failed ones again."


class AddressRefused(IngestError):
    code = "address_refused"
    meaning = "The address is private, local or not http(s), so it is not fetched."
    default_next_step = "If the address is yours, set ARCHON_ALLOW_PRIVATE_ADDRESSES=true and start again."


class FetchFailed(IngestError):
    code = "fetch_failed"
    http_status = 502
    retryable = True
    meaning = "The page could not be fetched."
    default_next_step = "Open the address in a browser; if it works there, try again."


class PageMissing(FetchFailed):
    code = "page_missing"
    http_status = 404
    retryable = False
    meaning = "The site has no such page (any more)."
    default_next_step = "Check the address; a stored copy of a page that its site took away is removed by a refresh."


class DocumentUnreadable(IngestError):
    code = "document_unreadable"
    meaning = "The file is damaged or is not what its name says."
    default_next_step = "Open the file in its own program, save it anew and upload that."


class NeedsBrowser(DocumentUnreadable):
    code = "needs_browser"
    meaning = "The page shows its text only with JavaScript, and no browser could be used to run it."
    default_next_step = "Install Chromium beside Archon, look for a plain version (llms.txt, a sitemap, a PDF), or save the page and upload it."


class DocumentTooLarge(IngestError):
    code = "document_too_large"
    meaning = "The page or file is larger than the limit."
    default_next_step = "Split it, or raise the limit named in the message."


class NothingStored(IngestError):
    code = "nothing_stored"
    meaning = "The run ended without a single stored passage."
    default_next_step = "Look at the reasons beside the pages; nothing that was stored before has changed."


class ProviderError(ArchonError):
    """A model server did not do what was asked. Subclasses are chosen by HTTP status first."""

    code = "provider"
    http_status = 502
    meaning = "The model server failed in a way that has no better name."
    default_next_step = "Press Check in Settings; it walks the connection step by step."


class ProviderUnavailable(ProviderError):
    code = "provider_unavailable"
    http_status = 503
    retryable = True
    meaning = "Nothing answered at the model server's address."
    default_next_step = "Start the model server, or correct the base URL in Settings."


class ConnectionRefused(ProviderUnavailable):
    code = "connection_refused"
    meaning = "The machine was reached, but no server listens on that port (a vLLM server that loads its model looks the same)."
    default_next_step = "Wait if the server was just started; else check the port, and inside a container use the host's name instead of localhost."


class DnsFailure(ProviderUnavailable):
    code = "dns_failure"
    http_status = 502
    meaning = "The host name of the model server cannot be resolved."
    default_next_step = "Check the spelling of the host in the base URL."


class TlsFailure(ProviderUnavailable):
    code = "tls_failure"
    http_status = 502
    retryable = False
    meaning = "No trusted TLS connection could be made (expired, self-signed or wrong name)."
    default_next_step = "Use http:// if the server speaks no TLS, or give its certificate authority in SSL_CERT_FILE."


class ConnectionBroken(ProviderUnavailable):
    code = "connection_broken"
    http_status = 502
    meaning = "The connection broke before the answer was whole."
    default_next_step = "Try again; if it happens again, look at the model server's log for a restart."


class ProviderTimeout(ProviderError):
    code = "timeout_total"
    http_status = 504
    retryable = True
    meaning = "The whole call took longer than its deadline."
    default_next_step = "Ask for fewer tokens, raise the time-out, or look whether the server is overloaded."


class ConnectTimeout(ProviderTimeout):
    code = "timeout_connect"
    meaning = "No connection within the connect time-out; packets are probably dropped on the way."
    default_next_step = "Check host, port and firewall between this machine and the model server."


class FirstByteTimeout(ProviderTimeout):
    code = "timeout_first_byte"
    meaning = "The server took the request but did not begin to answer in time (queue, or a hung engine)."
    default_next_step = "Look at the server's waiting requests; if there are none, restart it."


class StallTimeout(ProviderTimeout):
    code = "timeout_between_tokens"
    retryable = False
    meaning = "The stream began and then fell silent."
    default_next_step = "What came is kept. Ask to continue, or look whether the model server hangs."


class AuthenticationFailed(ProviderError):
    code = "provider_authentication"
    meaning = "The model server refused our API key, or wants one."
    default_next_step = "Enter the key of this provider in Settings."


class PermissionRefused(ProviderError):
    code = "provider_permission"
    meaning = "The key is known but may not use this model or function."
    default_next_step = "Ask for access to the model, or choose another one."


class ModelNotFound(ProviderError):
    code = "model_not_found"
    http_status = 404
    meaning = "The server runs but does not serve a model of that name."
    default_next_step = "Choose one of the models that Check lists; vLLM's names are case-sensitive."


class EndpointNotFound(ProviderError):
    code = "endpoint_not_found"
    meaning = "The server has no such route: the base URL is wrong, or it is the other kind of server."
    default_next_step = "Check that the base URL leads to a server of this kind (a generation server has no embeddings and the reverse)."


class ContextTooLong(ProviderError):
    code = "context_too_long"
    http_status = 400
    meaning = "The text is longer than the model's context."
    default_next_step = "Shorten the text, or use a model with a longer context."


class BadRequest(ProviderError):
    code = "provider_bad_request"
    http_status = 400
    meaning = "The model server refused the request as invalid."
    default_next_step = "Read the server's message; usually one parameter is out of range."


class UnsupportedFeature(BadRequest):
    code = "unsupported_feature"
    http_status = 422
    meaning = "The server or model cannot do this (vector size, tools, images, structured output)."
    default_next_step = "Switch the feature off, or start the server with it enabled."


class RateLimited(ProviderError):
    code = "rate_limited"
    http_status = 429
    retryable = True
    meaning = "Too many requests in too short a time."
    default_next_step = "Wait as long as the message says; the work goes on by itself."


class QuotaExhausted(ProviderError):
    code = "quota_exhausted"
    http_status = 429
    meaning = "The account behind the key has no credit left."
    default_next_step = "Add credit at the provider, or choose another one."


class Overloaded(ProviderError):
    code = "overloaded"
    http_status = 503
    retryable = True
    meaning = "The server is up but takes no more work, or is still loading its model."
    default_next_step = "Wait a moment and try again."


class FormerModelAway(ProviderError):
    code = "former_model_away"
    http_status = 503
    retryable = True
    meaning = (
        "The stored passages were embedded with a model that cannot be asked now, so nothing can be compared with them."
    )
    default_next_step = (
        "Start that model's server again; or let the present model take its place (Knowledge, Embedding model) and wait"
        " until all passages are embedded with it."
    )


class ServerFailure(ProviderError):
    code = "provider_failure"
    retryable = True
    meaning = "The model server answered with an internal error."
    default_next_step = "Look at the model server's log; a vLLM whose engine died must be restarted."


class ProtocolError(ProviderError):
    code = "protocol"
    meaning = "The answer is not what the protocol promises (not JSON, wrong vectors, an unexpected shape)."
    default_next_step = "Check that the base URL leads to the API and not to a web page or proxy."


class AnswerUnusable(ProviderError):
    code = "answer_unusable"
    meaning = "The model answered, but not in a way that can be used."
    default_next_step = "Say it in other words, choose fewer lines, or take a more capable model."


class StreamCut(ProtocolError):
    code = "stream_cut"
    meaning = "The stream ended without a finish_reason, so the answer is not whole."
    default_next_step = "What came is kept and marked incomplete. Try again or continue it."


def family(root: type[ArchonError] = ArchonError) -> list[type[ArchonError]]:
    """All classes below `root` in the order they are written, for the generated table in the docs."""
    children = [child for child in root.__subclasses__() if child.__module__ == __name__]
    return [cls for child in children for cls in (child, *family(child))]
