"""What we are measured against, compiled when first asked for: OpenSSL's heap, libsodium, bare mprotect and mlock.

Each peer is a small cffi module in API mode, so that a call costs what our own binding's would. The core's C files
are compiled in beside mprotect, to time a window in C alone. Needs a C compiler; libssl-dev and libsodium-dev.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cffi

from cffi_build import builder
from tests.bench.measures import NotMeasuredError

CLOCK = """
#include <time.h>
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
"""

OPENSSL_CDEF = """
int heap_start(size_t bytes, int smallest);
int create_release(size_t length);
void *CRYPTO_secure_malloc(size_t length, const char *file, int line);
void CRYPTO_secure_clear_free(void *pointer, size_t length, const char *file, int line);
"""
OPENSSL = """
#include <openssl/crypto.h>
static int heap_start(size_t bytes, int smallest) {
    return CRYPTO_secure_malloc_initialized() || CRYPTO_secure_malloc_init(bytes, smallest) == 1;
}
static int create_release(size_t length) {
    void *data = CRYPTO_secure_malloc(length, "", 0);
    if (data == NULL || !CRYPTO_secure_allocated(data)) return 0;
    CRYPTO_secure_clear_free(data, length, "", 0);
    return 1;
}
"""

SODIUM_CDEF = """
int sodium_init(void);
int create_release(size_t length);
int create_write_release(const char *source, size_t length);
int open_write_shut(void *data, const char *source, size_t length);
void *sodium_malloc(size_t length);
void sodium_free(void *data);
int sodium_mprotect_noaccess(void *data);
"""
SODIUM = """
#include <sodium.h>
#include <string.h>
static int create_release(size_t length) {
    void *data = sodium_malloc(length);
    sodium_free(data);
    return data != NULL;
}
static int create_write_release(const char *source, size_t length) {
    void *data = sodium_malloc(length);
    if (data == NULL || sodium_mprotect_readwrite(data) != 0) return 0;
    memcpy(data, source, length);
    if (sodium_mprotect_noaccess(data) != 0) return 0;
    sodium_free(data);
    return 1;
}
static int open_write_shut(void *data, const char *source, size_t length) {
    if (sodium_mprotect_readwrite(data) != 0) return 0;
    memcpy(data, source, length);
    return sodium_mprotect_noaccess(data) == 0;
}
"""

WINDOWS_CDEF = """
int start(void);
double windows(size_t repetitions);
double protections(size_t repetitions);
void *closed_page(void);
int mprotect(void *address, size_t length, int access);
"""
WINDOWS = """
#include <stdint.h>
#include <sys/mman.h>
#include "securemem.h"
static sm_slot *slot;
static unsigned char *page;
static size_t size;
static void *closed_page(void) { return page; }
/* The bare mprotects are made on the page of the secret, whose window is then
   closed as the core left it: so the kernel has the same work on both sides. */
static int start(void) {
    struct sm_policy policy = {SM_AT_REST_NOACCESS, SM_LOCK_REQUIRE, SM_BACKEND_MLOCK, 0};
    struct sm_location location;
    sm_arena *arena;
    if (sm_start() != SM_OK || sm_arena_create(&arena, &policy) != SM_OK) return 0;
    if (sm_secret_take(&slot, arena, 32) != SM_OK || sm_secret_locate(slot, &location) != SM_OK) return 0;
    page = (unsigned char *)location.pages;
    size = location.pages_length;
    return 1;
}
static double windows(size_t repetitions) {
    uint8_t *data;
    double begin = now();
    for (size_t i = 0; i < repetitions; i++) {
        if (sm_secret_open(slot, &data, false) != SM_OK) return -1;
        sm_secret_close(slot, false);
    }
    return (now() - begin) / (double)repetitions;
}
static double protections(size_t repetitions) {
    double begin = now();
    for (size_t i = 0; i < repetitions; i++) {
        if (mprotect(page, size, PROT_READ) != 0 || mprotect(page, size, PROT_NONE) != 0) return -1;
    }
    return (now() - begin) / (double)repetitions;
}
"""

LOCKS_CDEF = "int mlock(const void *address, size_t length); int munlock(const void *address, size_t length);"
LOCKS = "#include <sys/mman.h>"


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="securemem-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _compile(name: str, declarations: str, source: str, needs: str = "", **options: Any) -> Any:
    """The compiled module; NotMeasuredError where the compiler or a header is missing. needs: the Debian package."""
    ffi = cffi.FFI()
    ffi.cdef(declarations)
    ffi.set_source(name, source, **options)
    quiet = os.open(os.devnull, os.O_WRONLY)
    loud = os.dup(2)
    os.dup2(quiet, 2)  # what the compiler says of a missing header is said again below, in one line
    try:
        path = ffi.compile(tmpdir=str(_folder()))
    except cffi.VerificationError as failure:
        hint = f" (Debian: {needs})" if needs else ""
        raise NotMeasuredError(f"{name} does not compile{hint}: {failure}") from failure
    finally:
        os.dup2(loud, 2)
        os.close(quiet)
        os.close(loud)
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _started(good: int, what: str) -> None:
    if not good:
        raise NotMeasuredError(what)


@functools.cache
def openssl() -> Any:
    """OpenSSL with a secure heap of 8 MiB, its smallest piece 32 bytes; as a cffi lib."""
    lib = _compile("peer_openssl", OPENSSL_CDEF, OPENSSL, "libssl-dev", libraries=["crypto"]).lib
    _started(lib.heap_start(8 << 20, 32), "OpenSSL's secure heap does not start: 8 MiB could not be locked")
    return lib


@functools.cache
def sodium() -> Any:
    """libsodium, initialised; as a cffi lib."""
    lib = _compile("peer_sodium", SODIUM_CDEF, SODIUM, "libsodium-dev", libraries=["sodium"]).lib
    _started(lib.sodium_init() >= 0, "libsodium does not start")
    return lib


@functools.cache
def windows() -> Any:
    """The core's windows and bare mprotects, each in a C loop that answers seconds; as a cffi lib."""
    module = _compile(
        "peer_windows",
        WINDOWS_CDEF,
        CLOCK + WINDOWS,
        sources=[str(path) for path in builder.CORE],
        include_dirs=[str(folder) for folder in builder.FOLDERS],
        extra_compile_args=builder.hardening_flags(),
        extra_link_args=builder.LINKING,
    )
    _started(module.lib.start(), "a page could not be locked")
    return module.lib


@functools.cache
def locks() -> Any:
    """Bare mlock and munlock; as a cffi module, for a buffer has to be passed."""
    return _compile("peer_locks", LOCKS_CDEF, LOCKS)
