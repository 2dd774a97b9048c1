"""Looks at what is around: the service, its listeners, the network, and the receivers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from mmconnect.delivery.egress import Egress
from mmconnect.desk.doctor import Finding
from mmconnect.service.addresses import lan_addresses, own_addresses, reachable, unplugged
from mmconnect.service.doctor import asking, certificate, firewall, lan, ports, receivers, unit
from mmconnect.service.doctor.asking import Answer
from mmconnect.service.doctor.patience import within
from mmconnect.service.doctor.scene import DISK_PATIENCE, Scene

Found = Iterable[Finding]


async def service(scene: Scene) -> Found:
    """Does it run, and is it well?"""
    ready = None
    if scene.running is not None and scene.running.admin:
        (side,) = [one for one in scene.sides if one.flag == "--admin-listen"]
        base = side.urls[0].removesuffix("/healthz")
        ready = await asking.get(scene.dialer, f"{base}/readyz")
    return unit.service(scene.running, starting=scene.starting, ready=ready)


async def systemd(scene: Scene) -> Found:
    """What systemd makes of it."""
    found = await within(3 * unit.PATIENCE, unit.ask)
    return unit.unit(found, running=scene.running is not None or scene.starting)


async def listeners(scene: Scene) -> Found:
    """Do they answer; or could they be opened?"""
    sides = scene.sides
    if scene.running is not None:
        if scene.brought is not None:  # nobody knows who vouches for that, nor for which names
            sides = [one for one in sides if not one.tls]
        return ports.answered(sides, await _asked(scene, [u for one in sides for u in one.urls]))
    if not sides or scene.starting:
        return []
    before = scene.subject.before
    return ports.free(sides, before.listening, before.owners)


async def network(scene: Scene) -> Found:
    """Can phones reach it?"""
    found = [*lan_addresses(4, virtual=False), *lan_addresses(6, virtual=False)]
    away = unplugged()
    told = [*lan.addresses(found), *lan.cut(away, found)]
    page = None
    if scene.running is not None and scene.running.phone:
        at = reachable(scene.running.phone, virtual=False)
        urls = [f"http://{one}/healthz" for one in at if lan.host_of(one) not in away]
        page = urls[0] if urls and not lan.is_alone(urls) else None
        alone = lan.is_alone(scene.running.phone)
        told += lan.answered(urls, await _asked(scene, urls), alone=alone)
    if scene.stored is not None:
        told += lan.heard(scene.stored.heard, scene.now, lan.count_neighbours(), page)
    return told


async def walls(scene: Scene) -> Found:
    """Does this machine turn phones away?"""
    # what is only for this machine itself, behind a proxy say, nobody else has to reach
    wanted = [(one.name, at) for one in scene.sides for at in one.at if not lan.is_alone([at])]
    numbers = {int(at.rpartition(":")[2]): name for name, at in wanted if not at.endswith(":0")}
    last = None if scene.stored is None else scene.stored.heard.last
    return firewall.check(
        scene.subject.before.rules,
        numbers,
        root=scene.subject.before.me == 0,
        ufw=firewall.ufw_is_on(),
        reached=last is not None and abs(scene.now - last) < lan.LATELY,
    )


async def endpoints(scene: Scene) -> Found:
    """Does anybody listen where texts go?"""
    if scene.stored is None:
        return [receivers.RECEIVERS.skipped(scene.unread)]
    configuration = scene.stored.configuration
    egress = Egress(lambda: configuration, own_addresses)
    egress.listening([at for side in scene.sides for at in side.at])
    ends = list(configuration.endpoints.values())
    found = await receivers.reach(ends, egress.rule, scene.dialer)
    return receivers.check(found, left=max(0, len(ends) - receivers.MOST))


async def _asked(scene: Scene, urls: Iterable[str]) -> dict[str, Answer]:
    """What each URL of this machine answers; over HTTPS, to one who trusts our CA."""
    ca = await within(DISK_PATIENCE, lambda: certificate.authority(scene.directory))
    wanted = list(dict.fromkeys(urls))
    found = await asyncio.gather(*(asking.get(scene.dialer, url, ca) for url in wanted))
    return dict(zip(wanted, found, strict=True))
