"""Names that change what they lead to between two looks: the real fetcher on a loop whose network is this test's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from src.errors import AddressRefused, FetchFailed
from src.ingest.fetch import Fetcher, FetchPolicy, open_fetcher
from src.ingest.guard import Guard, GuardedResolver

from .site import Site

PUBLIC, DEAD, PRIVATE = "93.184.216.34", "93.184.216.35", "127.0.0.1"
HERE, THERE = "http://here.test", "http://there.test"


@dataclass
class Internet:
    """What names lead to, one answer after another, the last one stays; and every address that was connected to."""

    port: int
    names: dict[str, list[list[str]]] = field(default_factory=dict)
    connected: list[str] = field(default_factory=list)

    async def getaddrinfo(self, host: str, port: int, **_hints: object) -> list[object]:
        answers = self.names[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    async def sock_connect(self, connecting: socket.socket, address: tuple[str, int]) -> None:
        """Public addresses are the test's site; nobody is at `DEAD`."""
        self.connected.append(address[0])
        if address[0] == DEAD:
            raise ConnectionRefusedError(111, "refused")
        connecting.setblocking(True)
        connecting.connect((PRIVATE, self.port))
        connecting.setblocking(False)


@pytest.fixture
async def internet(site: Site, monkeypatch: pytest.MonkeyPatch) -> Internet:
    made = Internet(int(site.base.rpartition(":")[2]))
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", made.getaddrinfo)
    monkeypatch.setattr(loop, "sock_connect", made.sock_connect)
    return made


@pytest.fixture
async def strict(internet: Internet) -> AsyncIterator[Fetcher]:
    """A fetcher that may not visit private addresses."""
    async with open_fetcher(FetchPolicy(backoff_s=0.01, attempts=3)) as opened:
        yield opened


async def test_a_connection_goes_to_the_very_address_that_was_checked(
    internet: Internet, strict: Fetcher, site: Site
) -> None:
    internet.names["here.test"] = [[PUBLIC], [PRIVATE]]
    site.page("/", "public words")
    assert (await strict.fetch(f"{HERE}/")).body == b"public words"
    assert internet.connected == [PUBLIC]


async def test_one_private_address_among_public_ones_is_refused(internet: Internet, strict: Fetcher) -> None:
    internet.names["here.test"] = [[PUBLIC, PRIVATE]]
    with pytest.raises(AddressRefused, match="private"):
        await strict.fetch(f"{HERE}/")
    assert internet.connected == []


async def test_a_name_that_turns_private_while_it_is_tried_again_is_not_connected_to(
    internet: Internet, strict: Fetcher
) -> None:
    internet.names["here.test"] = [[DEAD], [PRIVATE]]
    with pytest.raises((AddressRefused, FetchFailed)):
        await strict.fetch(f"{HERE}/")
    assert set(internet.connected) == {DEAD}


async def test_every_look_at_a_name_is_checked(internet: Internet) -> None:
    internet.names["here.test"] = [[PUBLIC], [PRIVATE]]
    resolver = GuardedResolver(Guard())
    assert [found["host"] for found in await resolver.resolve("here.test")] == [PUBLIC]
    with pytest.raises(AddressRefused, match="private"):
        await resolver.resolve("here.test")


@pytest.mark.parametrize(
    "target", [f"{THERE}/", "http://127.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://2130706433/"]
)
async def test_a_redirect_into_the_private_network_is_refused(
    target: str, internet: Internet, strict: Fetcher, site: Site
) -> None:
    internet.names |= {"here.test": [[PUBLIC]], "there.test": [[PRIVATE]]}
    site.redirect("/", target)
    with pytest.raises(AddressRefused, match="private"):
        await strict.fetch(f"{HERE}/")
    assert (internet.connected, site.hits) == ([PUBLIC], ["/"])


async def test_a_redirect_to_a_name_that_changes_goes_to_the_address_that_was_checked(
    internet: Internet, strict: Fetcher, site: Site
) -> None:
    internet.names |= {"here.test": [[PUBLIC]], "there.test": [[PUBLIC], [PRIVATE]]}
    site.redirect("/", f"{THERE}/words")
    site.page("/words", "public words")
    assert (await strict.fetch(f"{HERE}/")).body == b"public words"
    assert internet.connected == [PUBLIC, PUBLIC]
