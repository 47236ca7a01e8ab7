"""What the gateway costs, beside its peers, in one run: requests a second, CPU a request, added latency, memory.

`python bench/gateway.py --install-peers` puts nginx, vllm-router and LiteLLM into `--peers` (throw-away) where
they are missing, and measures; without it a peer that is not there is printed as not installed. After a warm-up all
contenders take turns in every round, the order reversed each time; a ratio is the median over rounds, with quartiles.
`--real` adds real vLLM servers (ARCHON_TEST_CHAT_URL, ARCHON_TEST_EMBEDDING_URL), `--endurance` 100,000 requests and 64
streams of 60 s. All three together, on a quiet machine with two cores: about twenty minutes.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from _gateway_endurance import endure
from _gateway_peers import KEY, Peer, Started, install, peers, wait_until_open
from _gateway_real import through_real_vllm
from _measure import PAIRS, circumstances, percentile, verdict

BENCH = Path(__file__).resolve().parent
PATH = "/v1/chat/completions"
OWN = "archon gateway"
_LITELLM_STARTS_S = 90.0


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load(port: int, connections: int, seconds: float, kind: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [
        sys.executable,
        str(BENCH / "_gateway_load.py"),
        str(port),
        PATH,
        str(connections),
        str(seconds),
        kind,
        KEY,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(port: int, running: Started | None, seconds: float) -> dict[str, float]:
    """All figures of one contender in one round."""
    figures: dict[str, float] = {}
    for name, connections, kind in (
        ("many", 32, "json"),
        ("one", 1, "json"),
        ("stream", 8, "stream"),
        ("stream1", 1, "stream"),
    ):
        before = running.cpu_s() if running else 0.0
        found = load(port, connections, seconds if connections > 1 else seconds / 2, kind)
        cpu = (running.cpu_s() if running else 0.0) - before
        figures |= {f"{name}_{key}": value for key, value in found.items()}
        figures[f"{name}_cpu_us"] = cpu / max(1, found["requests"]) * 1e6
    figures["memory_mb"] = running.memory_mb() if running else 0.0
    return figures


def compare(arguments: argparse.Namespace, folder: Path, upstream: int) -> dict[str, list[dict[str, float]]]:
    """The figures of every round by contender; all run at once and take turns."""
    running: dict[str, tuple[int, Started | None]] = {}
    for peer, port in peers(folder, free_port, upstream, arguments.peers):
        started = _start(peer, port, folder)
        if started is not None or peer.name == "straight":
            running[peer.name] = (port, started)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in running}
    try:
        for name, (port, _) in running.items():
            load(port, 8, min(1.0, arguments.seconds), "json")  # warm-up, not counted
            print(f"warm: {name}", file=sys.stderr, flush=True)
        for number in range(arguments.rounds):
            for name, (port, started) in list(running.items())[:: 1 if number % 2 == 0 else -1]:
                if name == "litellm" and number:
                    continue  # minutes for a figure that three digits separate from the others
                rounds[name].append(measure(port, started, arguments.seconds))
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    finally:
        for _, started in running.values():
            if started is not None:
                started.stop()
    return rounds


def _start(peer: Peer, port: int, folder: Path) -> Started | None:
    if peer.command is None:
        print(f"{peer.name}: not installed (--install-peers)")
        return None
    if not peer.command:
        return None
    started = Started(peer.command, folder, peer.name.replace(" ", "-"), {"LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    if not wait_until_open(port, PATH, _LITELLM_STARTS_S):
        print(f"{peer.name}: installed, but it does not answer; its log ends with")
        print((folder / f"{peer.name.replace(' ', '-')}.log").read_text(errors="replace")[-600:])
        started.stop()
        return None
    return started


def table(rounds: dict[str, list[dict[str, float]]]) -> str:
    """Medians as Markdown."""
    figures = {
        name: {key: percentile([row[key] for row in rows], 0.5) for key in rows[0]} for name, rows in rounds.items()
    }
    straight, router = figures["straight"], figures.get("vllm-router")
    lines = [
        "| | req/s (32) | to vllm-router | p50 / p99 ms (32) | added p50 / p99 ms (1) | CPU us/req | "
        "streams/s (8) | added p50 / p99 ms, 200 events (1) | CPU us/stream | MB | errors | rounds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in figures.items():
        ratio = f"{row['many_per_s'] / router['many_per_s']:.2f}" if router else "–"
        errors = sum(value for rows in rounds[name] for key, value in rows.items() if key.endswith("_errors"))
        lines.append(
            f"| {name} | {row['many_per_s']:.0f} | {ratio} | {row['many_p50_ms']:.2f} / {row['many_p99_ms']:.1f} "
            f"| {_added(row, straight, 'one')} | {row['many_cpu_us']:.0f} "
            f"| {row['stream_per_s']:.0f} | {_added(row, straight, 'stream1')} | {row['stream_cpu_us']:.0f} "
            f"| {row['memory_mb']:.0f} | {errors:.0f} | {len(rounds[name])} |"
        )
    return "\n".join(lines)


def _added(row: dict[str, float], straight: dict[str, float], kind: str) -> str:
    return " / ".join(f"{row[f'{kind}_{key}_ms'] - straight[f'{kind}_{key}_ms']:.2f}" for key in ("p50", "p99"))


def verdicts(rounds: dict[str, list[dict[str, float]]]) -> str:
    """The bounds, each from what contender and baseline showed in the same rounds."""
    own, straight, router = rounds[OWN], rounds["straight"], rounds.get("vllm-router", [])
    added = [one["one_p50_ms"] - other["one_p50_ms"] for one, other in zip(own, straight, strict=True)]
    cpu = f"CPU {percentile([row['many_cpu_us'] for row in own], 0.5):.0f} us a request"
    lines = [verdict("added p50 on one connection", added, 0.5, at_most=True, unit=" ms", cpu=cpu)]
    if router:
        ratios = [one["many_per_s"] / other["many_per_s"] for one, other in zip(own, router, strict=True)]
        theirs = f"vllm-router's {percentile([row['many_cpu_us'] for row in router], 0.5):.0f}"
        lines.append(verdict("requests a second to vllm-router's", ratios, 0.5, at_most=False, cpu=f"{cpu}, {theirs}"))
    return "\n".join(lines)


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round, little of the rest: shows that it runs")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=PAIRS, help="rounds of the table, and pairs of --real")
    parser.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir()) / "archon-gateway-peers")
    parser.add_argument(
        "--install-peers", action="store_true", help="install what is missing into --peers, then measure"
    )
    parser.add_argument("--real", action="store_true", help="also through real vLLM servers")
    parser.add_argument("--endurance", action="store_true", help="also memory over 100,000 requests and 64 streams")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds, arguments.rounds = 0.5, 1
    if arguments.install_peers:
        install(arguments.peers)
    with tempfile.TemporaryDirectory(prefix="archon-gateway-bench-") as name:
        folder, upstream = Path(name), free_port()
        server = Started([sys.executable, str(BENCH / "_gateway_upstream.py"), str(upstream)], folder, "upstream")
        try:
            wait_until_open(upstream, PATH, 10)
            print(f"{circumstances()}\n")
            rounds = compare(arguments, folder, upstream)
            print(f"{table(rounds)}\n\n{verdicts(rounds)}", flush=True)
            if arguments.endurance:
                sizes = (2_000, 5.0) if arguments.quick else (100_000, 60.0)
                print(f"\n{endure(folder, free_port(), upstream, *sizes)}", flush=True)
            if arguments.real:
                through_real_vllm(folder, free_port(), arguments.rounds, shorter=8 if arguments.quick else 1)
        finally:
            server.stop()
        print(f"\n{circumstances()}")


if __name__ == "__main__":
    main()
