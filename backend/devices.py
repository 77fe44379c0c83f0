# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what the machine has into a device, a dtype and a memory budget."""

import ctypes
import gc
import sys
from pathlib import Path

import torch

from .errors import InputError

_MIB = 1 << 20


def list_devices() -> list[str]:
    """Names of the usable devices, best first, e.g. `["cuda:0", "cpu"]`; the CPU is always last."""
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name, or the best one for "auto".

    Raises:
        InputError: This machine has no such device.
    """
    usable = list_devices()
    if name == "auto":
        return torch.device(usable[0])
    if name == "cuda":
        name = "cuda:0"
    if name not in usable:
        raise InputError(f"There is no device '{name}' here.", f"Use one of: {', '.join(usable)}.")
    return torch.device(name)


def choose_dtype(device: torch.device) -> torch.dtype:
    """Dtype of weights and activations: half precision on GPUs, float32 on the CPU."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float16 if device.type == "mps" else torch.float32


def free_memory_mb(device: torch.device) -> int:
    """Memory that a job could still use, in MiB; 0 if the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // _MIB
    if device.type == "mps":
        used = torch.mps.driver_allocated_memory()
        return max(torch.mps.recommended_max_memory() - used, 0) // _MIB
    if sys.platform == "win32":
        return _free_memory_windows() // _MIB
    return _free_memory_linux() // _MIB


def peak_memory_mb(device: torch.device) -> int | None:
    """Highest memory use so far in MiB: the device's since `reset_peak`, the process's on the CPU.

    Returns:
        None where the system does not say (Windows without a GPU).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) // _MIB
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // _MIB if sys.platform == "darwin" else peak // 1024


def reset_peak(device: torch.device) -> None:
    """Start a new measurement of the peak; the CPU's counts from the start of the process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def release_cache(device: torch.device) -> None:
    """Give memory of dropped tensors back to the system."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch or Python says that memory ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
    )


def _free_memory_linux() -> int:
    """`MemAvailable` of /proc/meminfo in bytes, or 0 (macOS)."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line), 0)


def _free_memory_windows() -> int:
    """`ullAvailPhys` of MEMORYSTATUSEX in bytes: the third of its eight 64-bit words."""
    fields = (ctypes.c_uint64 * 8)()
    ctypes.cast(fields, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(fields)
    windll = getattr(ctypes, "windll")  # noqa: B009  (absent from the type stubs elsewhere)
    return int(fields[2]) if windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(fields)) else 0
