"""Facts read from the kernel's files, on trees of files that stand in for machines."""

from __future__ import annotations

import os

import pytest

from securemem.process import _kernel_files as kernel_files
from securemem.process import _machine as machine
from securemem.process import report
from securemem.process._facts import Container, Swap, SwapDevice

SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
V1_MOUNT = "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n"
V2_MOUNT = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"


@pytest.fixture
def tree(tmp_path):
    """Write files of a made-up machine; returns the root."""

    def write(**files):
        for path, content in files.get("paths", {}).items():
            target = tmp_path / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        return tmp_path

    return write


def test_missing_files_are_none(tmp_path):
    """Every reader of files answers None, and raises nothing, where there is no file."""
    assert kernel_files.text(tmp_path, "/none") is None
    assert kernel_files.number(tmp_path, "/none") is None
    assert kernel_files.chosen(tmp_path, "/none") is None
    assert kernel_files.lines(tmp_path, "/none") is None
    assert kernel_files.fields(tmp_path, "/none") == {}


def test_files_not_understood_are_none(tree):
    """Words where a number should stand, and no brackets where a choice should, are None."""
    root = tree(paths={"/n": "many\n", "/c": "always never\n", "/dir/x": ""})
    assert kernel_files.number(root, "/n") is None
    assert kernel_files.chosen(root, "/c") is None
    assert kernel_files.text(root, "/dir") is None


def test_a_machine_without_any_file_is_reported(tmp_path):
    """report() works where /proc and /sys are empty: what files would say is None, what calls say is there."""
    facts = report(tmp_path)
    assert facts.swap == Swap(None, None, None)
    assert facts.cgroup is None
    assert facts.container == Container(None, None)
    assert facts.tracing.tracer is facts.tracing.yama_scope is facts.tracing.may_trace_others is None
    assert facts.pages.max_mappings is facts.pages.mappings is facts.pages.huge_pages is None
    assert facts.cores.pattern is None
    assert facts.platform.kernel == os.uname().release
    assert facts.locking.secrets_of_32 > 0


def test_swap_devices(tree):
    """Swap devices are told apart: plain, encrypted by dm-crypt behind a mapper link, in memory, zram with a disk."""
    root = tree(
        paths={
            "/proc/swaps": SWAPS
            + "/dev/sda2                               partition\t1048572\t\t4\t\t-2\n"
            + "/dev/mapper/swap                        partition\t2048\t\t0\t\t-3\n"
            + "/dev/zram0                              partition\t1024\t\t0\t\t100\n"
            + "/dev/zram1                              partition\t1024\t\t0\t\t100\n"
            + "/var/a\\040swap\\134file                 file\t\t64\t\t0\t\t-4\n",
            "/dev/dm-0": "",
            "/sys/block/dm-0/dm/uuid": "CRYPT-PLAIN-swap\n",
            "/sys/block/zram0/backing_dev": "none\n",
            "/sys/block/zram1/backing_dev": "/dev/sdb\n",
            "/sys/module/zswap/parameters/enabled": "Y\n",
            "/proc/sys/vm/swappiness": "60\n",
        }
    )
    (root / "dev/mapper").mkdir()
    (root / "dev/mapper/swap").symlink_to("../dm-0")
    assert machine.swap(root) == Swap(
        devices=(
            SwapDevice("/dev/sda2", 1048572 * 1024, 4096, in_memory=False, encrypted=False),
            SwapDevice("/dev/mapper/swap", 2048 * 1024, 0, in_memory=False, encrypted=True),
            SwapDevice("/dev/zram0", 1024 * 1024, 0, in_memory=True, encrypted=False),
            SwapDevice("/dev/zram1", 1024 * 1024, 0, in_memory=False, encrypted=False),
            SwapDevice("/var/a swap\\file", 64 * 1024, 0, in_memory=False, encrypted=False),
        ),
        zswap=True,
        swappiness=60,
    )


def test_no_swap_is_an_empty_tuple(tree):
    """A table with its heading only means no swap, which is not the same as not knowing."""
    assert machine.swap(tree(paths={"/proc/swaps": SWAPS})).devices == ()


def test_cgroup_v2_takes_the_tightest_bound(tree):
    """The bound of a group is the least of its own and its parents'; "max" is none."""
    root = tree(
        paths={
            "/proc/self/cgroup": "0::/system.slice/app.service\n",
            "/proc/self/mounts": V2_MOUNT,
            "/sys/fs/cgroup/system.slice/memory.max": "1048576\n",
            "/sys/fs/cgroup/system.slice/memory.swap.max": "max\n",
            "/sys/fs/cgroup/system.slice/app.service/memory.max": "max\n",
            "/sys/fs/cgroup/system.slice/app.service/memory.swap.max": "0\n",
        }
    )
    found = machine.cgroup(root)
    assert (found.version, found.path) == (2, "/system.slice/app.service")
    assert (found.memory_max, found.swap_max) == (1048576, 0)


def test_cgroup_v1_swap_is_what_both_allow_beyond_memory(tree):
    """Version 1 bounds memory and swap together: swap's part is the difference; its "no bound" is a huge number."""
    paths = {
        "/proc/self/cgroup": "5:cpu:/\n4:memory:/docker/abc\n0::/\n",
        "/proc/self/mounts": V2_MOUNT.replace("/cgroup ", "/cgroup/unified ") + V1_MOUNT,
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "1000\n",
        "/sys/fs/cgroup/memory/docker/abc/memory.memsw.limit_in_bytes": "1000\n",
    }
    found = machine.cgroup(tree(paths=paths))
    assert (found.version, found.memory_max, found.swap_max) == (1, 1000, 0)
    paths["/sys/fs/cgroup/memory/docker/abc/memory.memsw.limit_in_bytes"] = "9223372036854771712\n"
    assert machine.cgroup(tree(paths=paths)).swap_max is None


def test_cgroup_path_above_the_mount(tree):
    """In a container the path may not exist under the mount: the mount's own bounds count."""
    root = tree(
        paths={
            "/proc/self/cgroup": "0::/../../host/abc\n",
            "/proc/self/mounts": V2_MOUNT,
            "/sys/fs/cgroup/memory.swap.max": "4096\n",
        }
    )
    assert machine.cgroup(root).swap_max == 4096


@pytest.mark.parametrize(
    ("state", "disk", "expected"),
    [
        ("freeze mem disk\n", "[platform] shutdown\n", True),
        ("freeze mem disk\n", "[disabled]\n", False),
        ("freeze mem\n", "[disabled]\n", False),
    ],
)
def test_hibernation(tree, state, disk, expected):
    """Hibernation is offered when `disk` is a state and is not disabled (lockdown, secret memory, nohibernate)."""
    assert machine.hibernation(tree(paths={"/sys/power/state": state, "/sys/power/disk": disk})) is expected


@pytest.mark.parametrize(
    ("paths", "kind"),
    [
        ({"/run/systemd/container": "systemd-nspawn\n"}, "systemd-nspawn"),
        ({"/run/secrets/kubernetes.io/token": "", "/.dockerenv": ""}, "kubernetes"),
        ({"/run/.containerenv": ""}, "podman"),
        ({"/.dockerenv": ""}, "docker"),
        ({"/proc/self/cgroup": "0::/system.slice/docker-0123.scope\n"}, "docker"),
        ({"/proc/self/cgroup": "0::/kubepods/besteffort/pod1\n"}, "kubernetes"),
        ({"/proc/self/cgroup": "0::/machine.slice/libpod-0123.scope\n"}, "podman"),
        ({"/proc/self/cgroup": "0::/lxc/guest\n"}, "lxc"),
        ({"/proc/self/cgroup": "0::/user.slice/mydocker.slice\n"}, None),
    ],
)
def test_container_kinds(tree, paths, kind):
    """Each sign of a container gives its kind; a name that only contains one does not."""
    assert machine.container(tree(paths=paths)).kind == kind


def test_user_namespace(tree):
    """A map of all users to themselves is the machine's own namespace."""
    whole = {"/proc/self/uid_map": "         0          0 4294967295\n"}
    assert machine.container(tree(paths=whole)).user_namespace is False
    assert machine.container(tree(paths={"/proc/self/uid_map": "0 1000 1\n"})).user_namespace is True


def test_status_fields(tree):
    """The tracer and a capability's bit are read from status."""
    root = tree(paths={"/proc/self/status": "Name:\tx: y\nTracerPid:\t42\nCapEff:\t0000000000080000\n"})
    assert machine.tracer(root) == 42
    assert machine.has_capability(root, 19) is True
    assert machine.has_capability(root, 14) is False
