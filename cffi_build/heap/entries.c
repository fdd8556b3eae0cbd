/* entries.c: the functions that redirected import slots lead to.
 *
 * A block of the C library that comes here, because it was allocated before
 * the slots were redirected or by a function such as realpath, goes back to the
 * C library, wiped by the size that malloc_usable_size tells.
 *
 * Each is a place where dead stack may be cleared (scrub_points.c).
 */
#include "entries.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "python_allocator.h"
#include "scrub_points.h"
#include "wipe.h"

#define KEEP_IN_PLACE 64 /* bytes: blocks up to this size are not moved to be shrunk */

static atomic_size_t outside;

void sm_entries_count(struct sm_entries_counts *out) {
    out->outside = atomic_load(&outside);
}

static void *take(size_t length, size_t alignment) {
    if (!sm_heap_is_serving()) return NULL;
    sm_scrub_note();
    void *block = sm_heap_take(length, alignment);
    if (block == NULL) atomic_fetch_add(&outside, 1);
    return block;
}

static void *entry_malloc(size_t length) {
    void *block = take(length, 0);
    return block != NULL ? block : malloc(length);
}

static void *entry_calloc(size_t count, size_t size) {
    size_t length;
    if (__builtin_mul_overflow(count, size, &length)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = take(length, 0); /* zero already */
    return block != NULL ? block : calloc(count, size);
}

static void release(void *block) {
    if (sm_heap_has(block)) {
        sm_heap_return(block);
        return;
    }
    int error = errno;
    sm_wipe(block, malloc_usable_size(block));
    free(block);
    errno = error;
}

static void entry_free(void *block) {
    if (block == NULL) return;
    release(block);
    sm_scrub_point();
}

static size_t usable(void *block) {
    return sm_heap_has(block) ? sm_heap_size(block) : malloc_usable_size(block);
}

/* Never the C library's realloc: it would leave the old block as it was. */
static void *entry_realloc(void *block, size_t length) {
    if (block == NULL) return entry_malloc(length);
    if (length == 0) {
        release(block);
        return NULL;
    }
    size_t before = usable(block);
    bool fits = length <= before && (length >= before / 2 || before <= KEEP_IN_PLACE);
    if (fits && (sm_heap_has(block) || !sm_heap_is_serving())) return block;
    void *moved = entry_malloc(length);
    if (moved == NULL) return NULL;
    memcpy(moved, block, before < length ? before : length);
    release(block);
    return moved;
}

static int entry_posix_memalign(void **out, size_t alignment, size_t length) {
    bool valid = alignment >= sizeof(void *) && (alignment & (alignment - 1)) == 0;
    void *block = valid ? take(length, alignment) : NULL;
    if (block == NULL) return posix_memalign(out, alignment, length);
    *out = block;
    return 0;
}

static void *entry_aligned_alloc(size_t alignment, size_t length) {
    bool valid = alignment > 0 && (alignment & (alignment - 1)) == 0;
    void *block = valid ? take(length, alignment) : NULL;
    return block != NULL ? block : aligned_alloc(alignment, length);
}

static char *copy_of(const char *text, size_t length) {
    char *copy = entry_malloc(length + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, text, length);
    copy[length] = 0;
    return copy;
}

static char *entry_strdup(const char *text) {
    return copy_of(text, strlen(text));
}

static char *entry_strndup(const char *text, size_t most) {
    return copy_of(text, strnlen(text, most));
}

static size_t entry_malloc_usable_size(void *block) {
    return block == NULL ? 0 : usable(block);
}

/* The buffer of a stream would keep what was read of a key file. */
static FILE *unbuffered(FILE *file) {
    if (file != NULL && sm_heap_is_serving()) setvbuf(file, NULL, _IONBF, 0);
    return file;
}

static FILE *entry_fopen(const char *path, const char *mode) {
    return unbuffered(fopen(path, mode));
}

const struct sm_entry sm_entries[SM_ENTRIES] = {
    {"free", (sm_function *)entry_free, false, true},
    {"realloc", (sm_function *)entry_realloc, true, false},
    {"malloc_usable_size", (sm_function *)entry_malloc_usable_size, false, false},
    {"fopen", (sm_function *)entry_fopen, false, false},
    {"fopen64", (sm_function *)entry_fopen, false, false},
    {"calloc", (sm_function *)entry_calloc, true, false},
    {"posix_memalign", (sm_function *)entry_posix_memalign, true, false},
    {"aligned_alloc", (sm_function *)entry_aligned_alloc, true, false},
    {"memalign", (sm_function *)entry_aligned_alloc, true, false},
    {"strdup", (sm_function *)entry_strdup, true, false},
    {"strndup", (sm_function *)entry_strndup, true, false},
    {"PyBuffer_Release", (sm_function *)sm_entry_buffer_release, false, false},
    {"_Py_DecRef", (sm_function *)sm_entry_decref, false, false},
    {"PyBytes_FromStringAndSize", (sm_function *)sm_entry_bytes, false, false},
    {"malloc", (sm_function *)entry_malloc, true, false},
};

const char *sm_entries_name(size_t entry) {
    return sm_entries[entry].name;
}
