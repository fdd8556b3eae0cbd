"""Facts about the machine, each read from the kernel's files by one small function.

Sources: proc(5), cgroups(7), the kernel's Documentation/admin-guide (mm/ksm, mm/transhuge, mm/zswap, blockdev/zram,
cgroup-v1/memory, cgroup-v2, sysctl/vm, sysctl/kernel, LSM/Yama), core(5), user_namespaces(7).
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from securemem.process._facts import Cgroup, Container, Swap, SwapDevice
from securemem.process._kernel_files import chosen, fields, lines, number, text

# What cgroup v1 shows for "no bound": LONG_MAX rounded down to a page, whatever the page.
_V1_UNBOUND = 2**62
_WHOLE_USER_MAP = ["0", "0", str(2**32 - 1)]
_CONTAINER_WORDS = {"docker": "docker", "kubepods": "kubernetes", "libpod": "podman", "lxc": "lxc"}


def hibernation(root: Path) -> bool | None:
    """Whether the kernel offers suspend to disk."""
    state = text(root, "/sys/power/state")
    if state is None:
        return None
    return "disk" in state.split() and chosen(root, "/sys/power/disk") != "disabled"


def _block_name(root: Path, device: str) -> str:
    """The kernel's name of a block device: /dev/mapper names are links to /dev/dm-N."""
    try:
        return (root / device.lstrip("/")).resolve().name
    except OSError:
        return PurePosixPath(device).name


def _swap_device(root: Path, line: str) -> SwapDevice:
    """One line of /proc/swaps, whose sizes are in KiB; white space in names is written in octal."""
    name, _kind, size, used, *_ = line.split()
    name = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), name)
    block = _block_name(root, name)
    backing = text(root, f"/sys/block/{block}/backing_dev")
    return SwapDevice(
        name=name,
        size=int(size) * 1024,
        used=int(used) * 1024,
        in_memory=block.startswith("zram") and backing in {None, "none"},
        encrypted=(text(root, f"/sys/block/{block}/dm/uuid") or "").startswith("CRYPT-"),
    )


def swap(root: Path) -> Swap:
    """The swap devices in use, and what stands before them."""
    table = lines(root, "/proc/swaps")
    zswap = text(root, "/sys/module/zswap/parameters/enabled")
    return Swap(
        devices=None if table is None else tuple(_swap_device(root, line) for line in table[1:]),
        zswap=None if zswap is None else zswap in {"Y", "1"},
        swappiness=number(root, "/proc/sys/vm/swappiness"),
    )


def _mount_of(root: Path, kind: str, controller: str = "") -> str | None:
    """Where a cgroup hierarchy is mounted: v2, or the v1 one of a controller."""
    for line in lines(root, "/proc/self/mounts") or []:
        _, point, filesystem, options, *_ = line.split(" ")
        if filesystem == kind and (not controller or controller in options.split(",")):
            return point
    return None


def _tightest(root: Path, mount: str, path: str, name: str) -> int | None:
    """The least bound of a group and its parents. In a container the path may lie above what is mounted."""
    bounds = []
    group = PurePosixPath(path)
    for one in (group, *group.parents):
        value = number(root, f"{mount}/{str(one).lstrip('/')}/{name}")  # "max" is no number: no bound
        if value is not None and value < _V1_UNBOUND:
            bounds.append(value)
    return min(bounds, default=None)


def cgroup(root: Path) -> Cgroup | None:
    """The bounds on memory and swap of this process's control group; None where it has none that can be read."""
    groups = [line.split(":", 2) for line in lines(root, "/proc/self/cgroup") or []]
    for _, controllers, path in groups:
        mount = _mount_of(root, "cgroup", "memory")
        if "memory" in controllers.split(",") and mount is not None:
            memory = _tightest(root, mount, path, "memory.limit_in_bytes")
            both = _tightest(root, mount, path, "memory.memsw.limit_in_bytes")
            return Cgroup(1, path, memory, None if both is None else max(0, both - (memory or 0)))
    for _, controllers, path in groups:
        mount = _mount_of(root, "cgroup2")
        if not controllers and mount is not None:
            return Cgroup(
                2, path, _tightest(root, mount, path, "memory.max"), _tightest(root, mount, path, "memory.swap.max")
            )
    return None


def _container_kind(root: Path) -> str | None:
    if text(root, "/run/systemd/container"):
        return text(root, "/run/systemd/container")
    if (root / "run/secrets/kubernetes.io").exists():
        return "kubernetes"
    if (root / "run/.containerenv").exists():
        return "podman"
    if (root / ".dockerenv").exists():
        return "docker"
    path = " ".join(lines(root, "/proc/self/cgroup") or [])
    return next((kind for word, kind in _CONTAINER_WORDS.items() if re.search(rf"[/.-]{word}\b", path)), None)


def container(root: Path) -> Container:
    """What container this is, if it shows."""
    mapping = text(root, "/proc/self/uid_map")
    return Container(
        kind=_container_kind(root), user_namespace=None if mapping is None else mapping.split() != _WHOLE_USER_MAP
    )


def tracer(root: Path) -> int | None:
    """The process that traces this one; 0 for none."""
    value = fields(root, "/proc/self/status").get("TracerPid", "")
    return int(value) if value.isdigit() else None


def has_capability(root: Path, bit: int) -> bool | None:
    """Whether this process holds a capability, by its number, in its own user namespace."""
    value = fields(root, "/proc/self/status").get("CapEff")
    return None if value is None else bool(int(value, 16) >> bit & 1)
