"""A virtual machine with a Debian kernel, this machine's files (read only), and one disk whose every write is logged.

QEMU in emulation: no hardware support is needed, and nothing of the guest is installed. Kernel and modules come out of Debian's
package, which is fetched once with apt; the first process is a shell script for busybox in an initial RAM file system.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.soak.campaign import DIRECTORY, Unavailable

_QEMU: Final = "qemu-system-x86_64"
_NEEDS: Final = (_QEMU, "busybox", "mkfs.ext4", "dpkg-deb", "apt-get", "apt-cache")
_INSTALL: Final = "it needs Debian with QEMU: apt install qemu-system-x86 busybox-static e2fsprogs"
_ROOT: Final = Path(__file__).parents[2]
_MODULES: Final = (
    *("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"),
    *("crc16", "crc32c_generic", "mbcache", "jbd2", "ext4"),
    *("9pnet", "9pnet_virtio", "netfs", "fscache", "9p"),
)
"""In the order in which they need each other."""
_DONE: Final = "guest ended with "
_WITHIN_S: Final = 600
_INIT: Final = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in {modules}; do /bin/busybox insmod /$module.ko || echo "no module $module"; done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /host
/bin/busybox mount -t ext4 -o noatime /dev/vda /host/mnt
/bin/busybox mount -t proc proc /host/proc
/bin/busybox mount -t devtmpfs dev /host/dev
/bin/busybox chroot /host /bin/sh -c 'cd {root} && exec {command}'
echo "{done}$?"
/bin/busybox umount /host/mnt
/bin/busybox poweroff -f
"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Where the kernel and its modules lie."""

    image: Path
    modules: Path


def fetch_kernel() -> Kernel:
    """Fetch the kernel, or take the one that was fetched before. Raises Unavailable."""
    lacking = [program for program in _NEEDS if shutil.which(program) is None]
    if lacking:
        raise Unavailable(f"{_INSTALL} (missing: {', '.join(lacking)})")
    kernel = Kernel(DIRECTORY / "kernel" / "vmlinuz", DIRECTORY / "kernel")
    if not kernel.image.exists():
        kernel.modules.mkdir(parents=True, exist_ok=True)
        _unpack(_fetch_package(kernel.modules), kernel)
    return kernel


def _fetch_package(folder: Path) -> Path:
    said = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True)
    names = [line.split(":")[1].strip() for line in said.stdout.splitlines() if "Depends:" in line]
    if not names or subprocess.run(["apt-get", "download", "-qq", names[0]], cwd=folder, capture_output=True).returncode:
        raise Unavailable(f"{_INSTALL}, and apt must be able to download linux-image-amd64")
    return next(folder.glob("linux-image-*.deb"))


def _unpack(package: Path, kernel: Kernel) -> None:
    wanted = ["./boot/vmlinuz-*", *(f"*/{module}.ko" for module in _MODULES)]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as files:
        flat = ["tar", "-x", "-C", str(kernel.modules), "--wildcards", "--transform=s,.*/,,", *wanted]
        subprocess.run(flat, stdin=files.stdout, check=True)
    package.unlink()
    next(kernel.modules.glob("vmlinuz-*")).rename(kernel.image)


def run_logged(kernel: Kernel, disk: Path, log: Path, module: str, *arguments: object) -> None:
    """Run a Python module in the machine, on the file system that `disk` holds (seen at /mnt). Raises Unavailable."""
    command = " ".join(map(str, (sys.executable, "-m", module, "/mnt", *arguments)))
    init = _INIT.format(modules=" ".join(_MODULES), root=_ROOT, command=command, done=_DONE)
    busybox = shutil.which("busybox")
    assert busybox is not None
    files = {"init": init.encode(), "bin/busybox": Path(busybox).read_bytes()}
    files |= {f"{name}.ko": (kernel.modules / f"{name}.ko").read_bytes() for name in _MODULES}
    initrd = log.with_name("initrd")
    initrd.write_bytes(b"".join(_cpio(files)))
    machine = [
        *(_QEMU, "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "768", "-smp", "2"),
        *("-nographic", "-no-reboot", "-nic", "none"),
        *("-kernel", str(kernel.image), "-initrd", str(initrd), "-append", "console=ttyS0 quiet panic=-1 rdinit=/init"),
        *("-blockdev", f"driver=file,node-name=disk,filename={disk}"),
        *("-blockdev", f"driver=file,node-name=log,filename={log}"),
        *("-blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log,log-sector-size=512"),
        *("-device", "virtio-blk-pci,drive=logged,write-cache=on"),
        *("-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"),
    ]
    done = subprocess.run(machine, capture_output=True, text=True, timeout=_WITHIN_S, stdin=subprocess.DEVNULL)
    if f"{_DONE}0" not in done.stdout:
        raise Unavailable(f"the virtual machine did not do its work: {done.stdout[-600:]} {done.stderr[-300:]}")


def _cpio(files: dict[str, bytes]) -> Iterator[bytes]:
    """An archive of programs and their folders, as the kernel unpacks it. Format: newc (Linux, driver-api/early-userspace)."""
    for folder in ("bin", "dev", "host"):
        yield _member(folder, 0o040755, b"")
    for name, content in files.items():
        yield _member(name, 0o100755, content)
    yield _member("TRAILER!!!", 0, b"")


def _member(name: str, mode: int, content: bytes) -> bytes:
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
