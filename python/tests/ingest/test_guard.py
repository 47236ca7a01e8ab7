"""The guard against private addresses."""

from __future__ import annotations

import pytest

from src.errors import AddressRefused, IngestError
from src.ingest.fetch import FetchPolicy, open_fetcher
from src.ingest.guard import Guard, is_public

from .site import Site

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://[::1]:80/", "http://169.254.169.254/latest", "ftp://x.org/"]
)
def test_a_literal_private_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        Guard().check_url(url)


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1"])
async def test_a_name_that_resolves_to_a_private_address_is_refused(site: Site, host: str) -> None:
    async with open_fetcher(FetchPolicy()) as strict:
        with pytest.raises(AddressRefused, match="private"):
            await strict.fetch(site.url("/").replace("127.0.0.1", host))
    assert site.hits == []


_LOOKALIKES = [
    *("\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021"),
    *("127.0.0.1.", "%31%32%37.0.0.1", "0x7f.1."),
]


@pytest.mark.parametrize("host", _LOOKALIKES)
async def test_a_name_that_only_looks_like_another_one_leads_nowhere(site: Site, host: str) -> None:
    async with open_fetcher(FetchPolicy(attempts=1)) as strict:
        with pytest.raises(IngestError):
            await strict.fetch(site.url("/").replace("127.0.0.1", host))
    assert site.hits == []


async def test_a_redirect_to_a_private_address_is_refused(site: Site) -> None:
    site.redirect("/", "file:///etc/passwd")
    async with open_fetcher(FetchPolicy(allow_private=True)) as fetcher:
        with pytest.raises(AddressRefused):
            await fetcher.fetch(site.url("/"))


def test_private_addresses_can_be_allowed() -> None:
    Guard(allow_private=True).check_url("http://127.0.0.1/")
    assert Guard(allow_private=True).allow_private
