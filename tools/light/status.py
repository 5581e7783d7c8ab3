"""`homewatt light status`: what is trusted, since when and until when, and how each node stands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agent.clock import NS_PER_S
from agent.config import AgentConfig
from agent.vocabulary import Clock
from lightclient import hashing, rpcjson
from lightclient.blocks import Header
from lightclient.errors import LightClientError, NodeError, StaleHeader, TrustExpired, UnderAttack
from lightclient.jsonrpc import words
from lightclient.nodes import Alarm
from lightclient.pool import NodeView
from lightclient.rfc3339 import format_ns
from lightclient.state import SYNCED, LightState, Situation, situation_after
from lightclient.transport import Transport
from tools.console import ExitCode, emit
from tools.light.following import Kept, following, read_kept

NOTHING_KEPT: Final = Situation(LightState.BEHIND, "nothing was verified yet", "start the agent, or leave out --offline")
NOBODY_CONTRADICTS: Final = "single operator: there is nobody to contradict the nodes"

EXIT_CODES: Final[Mapping[LightState, ExitCode]] = {
    LightState.SYNCED: ExitCode.OK,
    LightState.BEHIND: ExitCode.NETWORK,
    LightState.NO_TRUST: ExitCode.IDENTITY,
    LightState.EXPIRED: ExitCode.IDENTITY,
    LightState.UNDER_ATTACK: ExitCode.IDENTITY,
}


@dataclass(frozen=True, slots=True)
class NodeReport:
    """How the client sees a node, and what that one says of itself: its id and height are hints, None where it is silent."""

    view: NodeView
    node_id: str | None
    height: int | None
    silence: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that is shown. `header` is the newest one that is trusted, None before the first."""

    situation: Situation
    header: Header | None
    kept: Kept
    nodes: tuple[NodeReport, ...] = ()
    alarms: tuple[Alarm, ...] = ()


async def show_status(config: AgentConfig, clock: Clock, is_offline: bool, as_json: bool) -> int:
    """Print the report; the exit code tells the state. Raises DamagedStore."""
    kept = await read_kept(config)
    report = _offline_report(config, kept, clock.now_ns()) if is_offline else await _report(config, kept, clock)
    now_ns = clock.now_ns()
    emit(_as_data(report, config, now_ns), "\n".join(_as_lines(report, config, now_ns)), as_json)
    return EXIT_CODES[report.situation.state]


def _offline_report(config: AgentConfig, kept: Kept, now_ns: int) -> Report:
    header = kept.newest.header if kept.newest is not None else None
    return Report(offline_situation(config, kept, now_ns), header, kept)


def offline_situation(config: AgentConfig, kept: Kept, now_ns: int) -> Situation:
    """The state that follows from what is kept, and from the clock."""
    if kept.attack is not None:
        return situation_after(UnderAttack(kept.attack.kind, kept.attack.height, kept.attack.nodes))
    if kept.newest is None:
        return NOTHING_KEPT
    options, time_ns = config.light_options, kept.newest.header.time_ns
    if time_ns + options.trusting_period_ns <= now_ns:
        return situation_after(TrustExpired(time_ns + options.trusting_period_ns, now_ns))
    if now_ns - time_ns > options.freshness_ns:
        return situation_after(StaleHeader(kept.newest.height, now_ns - time_ns, options.freshness_ns))
    return SYNCED


async def _report(config: AgentConfig, kept: Kept, clock: Clock) -> Report:
    async with following(config, kept, clock) as session:
        introductions = asyncio.gather(*map(_introduce, session.nodes.values()))
        with suppress(LightClientError):  # the client's situation says it
            await session.client.update()
        client = session.client
        nodes = tuple(
            NodeReport(view, *introduction) for view, introduction in zip(client.nodes(), await introductions, strict=True)
        )
        newest = await session.store.newest()
        header = client.verified or (newest.header if newest is not None else None)
        return Report(client.situation, header, kept, nodes, tuple(client.alarms))


async def _introduce(node: Transport) -> tuple[str | None, int | None, str]:
    """What a node says of itself: id and height, or why it says nothing."""
    try:
        status = rpcjson.decode_status(await node.call("status", {}))
    except NodeError as error:
        return None, None, str(error)
    return words(status.node_id), status.latest_height, ""


def _as_data(report: Report, config: AgentConfig, now_ns: int) -> dict[str, object]:
    data: dict[str, object] = {
        "state": report.situation.state,
        "cause": report.situation.cause,
        "next_step": report.situation.next_step,
        "chain_id": config.device.chain_id,
        "anchor": _anchor_data(report.kept, config),
        "single_operator": config.ledger.single_operator,
        "damaged": list(report.kept.damaged),
    }
    if report.header is not None:
        data |= {
            "height": report.header.height,
            "hash": hashing.header_hash(report.header).hex().upper(),
            "time": format_ns(report.header.time_ns),
            "age_s": _seconds(now_ns - report.header.time_ns),
            "expires": format_ns(_expires_ns(report.header, config)),
        }
    attack = report.kept.attack
    if attack is not None:
        data["attack"] = {
            "kind": attack.kind,
            "height": attack.height,
            "nodes": attack.nodes,
            "evidence": attack.evidence,
            "accepted_by": attack.accepted_by,
        }
    data["nodes"] = [_node_data(node) for node in report.nodes]
    data["alarms"] = [{"time": format_ns(alarm.at_ns), "node": alarm.node, "cause": alarm.cause} for alarm in report.alarms]
    return data


def _anchor_data(kept: Kept, config: AgentConfig) -> dict[str, object]:
    """The anchor that counts: the signed one, unless the configured one is higher."""
    is_signed = kept.anchor is not None and kept.anchor.height >= config.anchor.height
    anchor = kept.anchor if kept.anchor is not None and is_signed else config.anchor
    return {"height": anchor.height, "hash": anchor.hash.hex().upper(), "signed": is_signed}


def _node_data(node: NodeReport) -> dict[str, object]:
    return {
        "name": node.view.name,
        "node_id": node.node_id,
        "role": _role(node),
        "condition": node.view.condition,
        "fault": node.view.fault,
        "cause": node.view.cause or node.silence,
        "height": node.height,
    }


def _as_lines(report: Report, config: AgentConfig, now_ns: int) -> Iterator[str]:
    yield f"{config.device.chain_id}: {report.situation.state}"
    if report.situation.cause:
        yield f"  why:     {report.situation.cause}"
        yield f"  next:    {report.situation.next_step}"
    if report.header is not None:
        time_ns, expires_ns = report.header.time_ns, _expires_ns(report.header, config)
        yield f"  newest:  height {report.header.height} of {format_ns(time_ns)}, {_span(now_ns - time_ns)} old"
        yield f"  hash:    {hashing.header_hash(report.header).hex().upper()}"
        left = f"{_span(expires_ns - now_ns)} from now" if expires_ns > now_ns else "over"
        yield f"  trusted: until {format_ns(expires_ns)}, {left}"
    attack = report.kept.attack
    if attack is not None:
        yield f"  attack:  at height {attack.height}; evidence taken by {', '.join(attack.accepted_by) or 'no node'}"
    anchor = _anchor_data(report.kept, config)
    yield f"  anchor:  height {anchor['height']}, {'signed' if anchor['signed'] else 'as configured'}"
    if config.ledger.single_operator:
        yield f"  warning: {NOBODY_CONTRADICTS}"
    for name in report.kept.damaged:
        yield f"  damaged: {config.trust / name}"
    yield from _node_lines(report.nodes)
    for alarm in report.alarms:
        yield f"  alarm:   {format_ns(alarm.at_ns)} {alarm.node}: {alarm.cause}"


def _node_lines(nodes: Sequence[NodeReport]) -> Iterator[str]:
    for node in nodes:
        says = f"height {node.height}, id {node.node_id}" if node.node_id is not None else "says nothing"
        yield f"  node:    {node.view.name}: {_role(node)}, {node.view.condition}, {says}"
        cause = node.view.cause or node.silence
        if cause:
            yield f"           {node.view.fault or 'silent'}: {cause}"


def _role(node: NodeReport) -> str:
    return "primary" if node.view.is_primary else "witness"


def _expires_ns(header: Header, config: AgentConfig) -> int:
    return header.time_ns + config.light_options.trusting_period_ns


def _seconds(span_ns: int) -> int:
    return span_ns // NS_PER_S


def _span(span_ns: int) -> str:
    """A span in the largest unit of which there are two at least."""
    seconds = _seconds(span_ns)
    for unit, length_s in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds // length_s} {unit}"
    return f"{seconds} s"
