"""The embedder that ingest and search are given: knows its model's limits and prefixes, and how to reach it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from src.config import hub_cache, load_environment
from src.errors import (
    ArchonError,
    ConfigurationError,
    ContextTooLong,
    ErrorContext,
    ModelNotFound,
    redact_url,
)

from .client import Deadlines, client_for
from .courtesy import LINGER_S, courtesy_on
from .discovery import ServedModel, discover, forget_discoveries, resolve_model
from .embed_batches import BatchLimits, EmbedPlan, Post, Progress, embed_texts
from .embed_posts import plain_post, sdk_post
from .embedding_models import Prefixes, dimensions_to_send, known_model, prefixes_for
from .local_tokenizer import TextCounter, own_tokenizer
from .models import Embedded, Embedder, EmbeddingIdentity, Vector
from .pacing import FIRST_SMALL, Pacing, pacing_for
from .pool import http_client
from .provider import ActiveProvider, KnownEmbeddingModel
from .queue_watch import QueueWatch
from .retry import RetryPolicy, budget_for
from .token_counts import NEAR_LIMIT, KnownCounts, TokenEstimate
from .tokenizer import ServerTokenizer
from .vectors import Posted, is_unit

SPECIAL_TOKENS = 2
"""What most encoders add to a text ([CLS] and [SEP]); measured where the server can count."""
_CANARY = "word"
_PASSAGES = RetryPolicy(attempts=4, deadline_s=300.0)
_QUERY = RetryPolicy(attempts=3, base_s=0.25, deadline_s=60.0)


def build_embedder(
    active: ActiveProvider, *, deadlines: Deadlines | None = None, pacing: Pacing | None = None
) -> Embedder:
    """An embedder for the chosen provider. Nothing is asked before the first use.

    `pacing` bounds the passages' requests; None: the bound that all embedders of that server share. Questions have
    places of their own, so that they never wait behind a crawl in this process.

    Raises:
        ConfigurationError: the endpoint cannot be used.
    """
    return ProviderEmbedder(active, deadlines=deadlines or Deadlines(), pacing=pacing)


@dataclass(frozen=True, slots=True)
class _Facts:
    model: str
    max_model_len: int | None
    special_tokens: int
    prefix_tokens: int
    tokenizer: TextCounter | None
    prefixes: Prefixes
    dimensions_sent: int | None
    batch: BatchLimits


class ProviderEmbedder:
    """Embeds with one model of one provider; see the protocol `Embedder` for what each method promises."""

    def __init__(self, active: ActiveProvider, *, deadlines: Deadlines, pacing: Pacing | None = None) -> None:
        self._active = active
        self._pacing = pacing
        self._client = client_for(active, deadlines=deadlines)
        self._origin = active.endpoint.base_url or active.provider.id
        self._budget = budget_for(self._origin)
        self._questions = Pacing(start=16)
        self._queue = QueueWatch(active.provider, active.endpoint)
        self._estimate = TokenEstimate()
        self._counts = KnownCounts()
        self._ready = asyncio.Lock()
        self._facts: _Facts | None = None
        self._identity: EmbeddingIdentity | None = None

    @property
    def model(self) -> str:
        """The model's name; blank until the server was asked, where none is chosen."""
        return self._facts.model if self._facts else self._active.model or ""

    @property
    def provider(self) -> str:
        return self._active.provider.id

    async def aclose(self) -> None:
        """Close the client; the shared connections stay."""
        await self._client.close()

    async def identity(self) -> EmbeddingIdentity:
        """The space of these vectors. Raises ConfigurationError or ProviderError."""
        if self._identity is None:
            facts = await self._known()
            [outcome] = await self._run([_CANARY], _QUERY, None, is_person=False)
            if outcome.vector is None:
                raise outcome.error or ArchonError("The canary got no vector")
            self._identity = EmbeddingIdentity(
                model=facts.model,
                dimensions=len(outcome.vector),
                normalised=is_unit(outcome.vector),
                query_prefix=facts.prefixes.query,
                passage_prefix=facts.prefixes.passage,
            )
        return self._identity

    async def max_tokens(self) -> int | None:
        """Longest passage in tokens, prefix and special tokens off. Raises ConfigurationError or ProviderError."""
        facts = await self._known()
        if facts.max_model_len is None:
            return None
        return facts.max_model_len - facts.special_tokens - facts.prefix_tokens

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text: exact near the limit where the server can count, else a careful estimate."""
        limit = await self.max_tokens()
        counts = [self._counts.get(text) for text in texts]
        guesses = [
            self._estimate.tokens(text) if count is None else count for text, count in zip(texts, counts, strict=True)
        ]
        facts = await self._known()
        if limit is None or facts.tokenizer is None:
            return guesses
        near = [at for at, count in enumerate(counts) if count is None and guesses[at] >= NEAR_LIMIT * limit]
        for at, whole in zip(near, await facts.tokenizer.count_all([texts[at] for at in near]), strict=True):
            guesses[at] = whole - facts.special_tokens
            self._counts.put(texts[at], guesses[at])
            self._estimate.learn([texts[at]], whole, facts.special_tokens)
        return guesses

    async def embed_passages(
        self, texts: Sequence[str], *, somebody_waits: bool = False, progress: Progress | None = None
    ) -> list[Embedded]:
        """One outcome per text, same order. Raises ConfigurationError only, before the first request."""
        if not texts:
            return []
        try:
            facts = await self._known()
            too_long = await self._too_long(texts)
        except ConfigurationError:
            raise
        except ArchonError as error:
            return [Embedded(None, error)] * len(texts)
        sendable = [at for at in range(len(texts)) if at not in too_long]
        policy = _QUERY if somebody_waits else _PASSAGES
        done = await self._run([facts.prefixes.passage + texts[at] for at in sendable], policy, progress)
        outcomes = dict(zip(sendable, done, strict=True))
        return [outcomes[at] if at in outcomes else Embedded(None, too_long[at]) for at in range(len(texts))]

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question. Raises ConfigurationError or ProviderError."""
        facts = await self._known()
        [outcome] = await self._run([facts.prefixes.query + text], _QUERY, None)
        if outcome.vector is None:
            raise outcome.error or ArchonError("The question got no vector")
        return outcome.vector

    async def _run(
        self, texts: Sequence[str], policy: RetryPolicy, progress: Progress | None, *, is_person: bool = True
    ) -> list[Embedded]:
        facts = await self._known()
        plan = EmbedPlan(
            limits=facts.batch,
            policy=policy,
            dimensions=self._identity.dimensions if self._identity else None,
            context=self._context(facts.model),
            secrets=self._secrets(),
        )
        # Clouds have room for everybody; on one's own machine a crawl gives way.
        courtesy = courtesy_on(self._origin) if self._active.provider.local else None
        pacing = (
            self._questions
            if policy is _QUERY
            else self._pacing or pacing_for(self._origin, start=FIRST_SMALL if courtesy else 2)
        )
        if policy is not _QUERY:
            self._queue.look(pacing)
            plan = replace(plan, courtesy=courtesy)
        waits = (
            courtesy.somebody_waits(linger_s=LINGER_S) if courtesy and policy is _QUERY and is_person else nullcontext()
        )
        with waits:
            outcomes = await embed_texts(
                texts,
                self._post(facts),
                plan=plan,
                pacing=pacing,
                budget=self._budget,
                progress=progress,
            )
        if outcomes and isinstance(outcomes[0].error, ModelNotFound):
            # The server was started anew with another model: where none is chosen, ask again next time.
            forget_discoveries()
            self._facts = self._identity = None
        return outcomes

    def _post(self, facts: _Facts) -> Post:
        wire = self._active.provider.embedding_wire
        if wire is not None:

            async def post_own(texts: Sequence[str]) -> Posted:
                async with http_client(timeout_s=30.0, cloud=True) as client:
                    return Posted(await wire(client, self._active.endpoint, facts.model, texts, facts.dimensions_sent))

            return post_own
        if self._keeps_v1():
            post = sdk_post(self._client, facts.model, facts.dimensions_sent)
        else:
            context = self._context(facts.model)
            post = plain_post(self._client, facts.model, facts.dimensions_sent, context, self._secrets())

        async def post_and_learn(texts: Sequence[str]) -> Posted:
            posted = await post(texts)
            if posted.prompt_tokens:
                self._estimate.learn(texts, posted.prompt_tokens, facts.special_tokens)
            return posted

        return post_and_learn

    async def _known(self) -> _Facts:
        async with self._ready:
            if self._facts is None:
                self._facts = await self._look()
            return self._facts

    async def _look(self) -> _Facts:
        provider = self._active.provider
        default = provider.default_embedding_model if self._keeps_v1() else None
        model = self._active.model or default or await resolve_model(self._active)
        known = known_model(provider, model)
        served = await self._served(model)
        root = served.root if served else None
        prefixes = prefixes_for(self._active, model, root)
        counts = await self._counter(model, root)
        special = await counts.count("") if counts else SPECIAL_TOKENS
        declared = known or KnownEmbeddingModel(name=model, dimensions=0)
        limits = BatchLimits()
        return _Facts(
            model=model,
            max_model_len=served.max_model_len if served else declared.max_tokens,
            special_tokens=special,
            prefix_tokens=await self._prefix_tokens(prefixes, counts, special),
            tokenizer=counts,
            prefixes=prefixes,
            dimensions_sent=dimensions_to_send(provider, model, self._active.values.get("EMBEDDING_DIMENSIONS")),
            batch=replace(limits, texts=min(limits.texts, declared.batch_limit)),
        )

    async def _counter(self, model: str, root: str | None) -> TextCounter | None:
        """The server, else the model's own tokenizer where it is on this machine. Raises ProviderError."""
        tokenizer = ServerTokenizer(self._active.provider, self._active.endpoint, model)
        if await tokenizer.available():
            return tokenizer
        return await own_tokenizer(root, self._active.endpoint, hub_cache(load_environment()))

    async def _served(self, model: str) -> ServedModel | None:
        """What the server says of the model; None for a cloud, or where it does not list it."""
        if self._keeps_v1() or self._active.provider.server is None:
            return None
        return (await discover(self._active.provider, self._active.endpoint)).get(model)

    async def _prefix_tokens(self, prefixes: Prefixes, tokenizer: TextCounter | None, special: int) -> int:
        longest = max(prefixes.query, prefixes.passage, key=len)
        if not longest:
            return 0
        return await tokenizer.count(longest) - special if tokenizer else self._estimate.tokens(longest)

    async def _too_long(self, texts: Sequence[str]) -> dict[int, ArchonError]:
        """The texts that are known to be over the limit; without a way to count, the server is the judge."""
        limit = await self.max_tokens()
        if limit is None or (await self._known()).tokenizer is None:
            return {}
        found: dict[int, ArchonError] = {}
        for at, count in enumerate(await self.count_tokens(texts)):
            if count > limit and self._counts.get(texts[at]) is not None:
                found[at] = ContextTooLong(
                    f"The text has {count} tokens and the embedding model takes {limit}",
                    next_step="Split the text into smaller chunks.",
                    context=self._context(self.model),
                )
        return found

    def _keeps_v1(self) -> bool:
        return self._active.provider.keeps_v1_wire

    def _secrets(self) -> tuple[str, ...]:
        key = self._active.endpoint.api_key
        return (key,) if key else ()

    def _context(self, model: str) -> ErrorContext:
        base = self._active.endpoint.base_url
        return ErrorContext(
            provider=self.provider,
            operation="embed",
            model=model or None,
            url=redact_url(f"{base.rstrip('/')}/embeddings") if base else None,
            remedy=self._active.endpoint.remedy,
        )
