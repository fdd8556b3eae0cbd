/* python_allocator.c: see python_allocator.h.
 *
 * Almost every request of a program is not for the heap, so the first question
 * is one read of a count that all threads share; only where that is not zero,
 * the thread looks at itself.
 *
 * A section holds the record of its thread, which outlives the thread: it may
 * be ended by whoever drops the last reference to it.
 */
#include "python_allocator.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "objects.h"
#include "scrub_points.h"
#include "wipe.h"

/* PyMemAllocatorEx and two of PyMemAllocatorDomain, as they are since Python 3.5. */
struct allocator {
    void *context;
    void *(*malloc)(void *context, size_t size);
    void *(*calloc)(void *context, size_t count, size_t size);
    void *(*realloc)(void *context, void *block, size_t size);
    void (*free)(void *context, void *block);
};
enum { DOMAIN_MEM = 1, DOMAIN_OBJ = 2 };
typedef void allocator_function(int domain, struct allocator *allocator);
typedef void *bytes_function(const char *source, intptr_t length);
typedef void release_function(void *view);

struct sm_section { /* one for each thread that ever began one */
    atomic_uint depth;
    atomic_uint holders;
};

static struct allocator replaced[2];
static bool started;
static allocator_function *get, *set;
static bytes_function *make_bytes;
static release_function *release_buffer, *drop_reference;

static atomic_int wanted; /* sections and bytes in the making, of all threads */
static _Thread_local unsigned making_bytes;
static _Thread_local struct sm_section *own_section;
static atomic_size_t most, live, refused;

static bool is_for_heap(size_t size) {
    if (!sm_heap_is_serving()) return false;
    if (making_bytes > 0) return true;
    if (own_section == NULL || atomic_load_explicit(&own_section->depth, memory_order_relaxed) == 0) return false;
    if (size <= atomic_load_explicit(&most, memory_order_relaxed) &&
        atomic_load_explicit(&live, memory_order_relaxed) <= atomic_load_explicit(&most, memory_order_relaxed) - size) {
        return true;
    }
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    return false;
}

static void *take(size_t size) {
    void *block = sm_heap_take(size, 0);
    if (block != NULL) atomic_fetch_add_explicit(&live, sm_heap_size(block), memory_order_relaxed);
    return block;
}

static void give(void *block) {
    atomic_fetch_sub_explicit(&live, sm_heap_size(block), memory_order_relaxed);
    sm_heap_return(block);
}

static bool is_wanted(size_t size) {
    return __builtin_expect(atomic_load_explicit(&wanted, memory_order_relaxed) != 0, 0) && is_for_heap(size);
}

static void *our_malloc(void *context, size_t size) {
    const struct allocator *under = context;
    void *block = is_wanted(size) ? take(size) : NULL;
    return block != NULL ? block : under->malloc(under->context, size);
}

static void *our_calloc(void *context, size_t count, size_t size) {
    const struct allocator *under = context;
    size_t length;
    if (__builtin_mul_overflow(count, size, &length)) return NULL;
    void *block = is_wanted(length) ? take(length) : NULL; /* zero already */
    return block != NULL ? block : under->calloc(under->context, count, size);
}

static void our_free(void *context, void *block) {
    const struct allocator *under = context;
    if (__builtin_expect(sm_heap_has(block), 0)) give(block);
    else under->free(under->context, block);
}

/* A block of the heap stays in the heap: what it holds may be a secret. */
static void *move_block(const struct allocator *under, void *block, size_t size) {
    size_t before = sm_heap_size(block);
    if (size <= before && size >= before / 2) return block;
    void *moved = sm_heap_is_serving() ? take(size) : NULL;
    if (moved == NULL) moved = under->malloc(under->context, size);
    if (moved == NULL) return NULL;
    memcpy(moved, block, before < size ? before : size);
    give(block);
    return moved;
}

static void *our_realloc(void *context, void *block, size_t size) {
    const struct allocator *under = context;
    if (__builtin_expect(sm_heap_has(block), 0)) return move_block(under, block, size);
    if (block == NULL) return our_malloc(context, size);
    return under->realloc(under->context, block, size);
}

bool sm_python_prepare(void) {
    get = (allocator_function *)sm_os_symbol("PyMem_GetAllocator");
    set = (allocator_function *)sm_os_symbol("PyMem_SetAllocator");
    make_bytes = (bytes_function *)sm_os_symbol("PyBytes_FromStringAndSize");
    release_buffer = (release_function *)sm_os_symbol("PyBuffer_Release");
    drop_reference = (release_function *)sm_os_symbol("_Py_DecRef"); /* of the limited API */
    return get != NULL && set != NULL && make_bytes != NULL && release_buffer != NULL && drop_reference != NULL;
}

void sm_python_start(void) {
    if (started) return;
    const int domains[] = {DOMAIN_MEM, DOMAIN_OBJ};
    for (size_t i = 0; i < 2; i++) {
        get(domains[i], &replaced[i]);
        struct allocator ours = {&replaced[i], our_malloc, our_calloc, our_realloc, our_free};
        set(domains[i], &ours);
    }
    started = true;
}

void sm_python_set_most(size_t bytes) {
    atomic_store(&most, bytes);
}

void sm_python_count(struct sm_python_counts *out) {
    out->live = atomic_load(&live);
    out->refused = atomic_load(&refused);
}

/* -- sections -- */

static void drop(void *record) {
    struct sm_section *section = record;
    if (atomic_fetch_sub(&section->holders, 1) == 1) free(section);
}

static struct sm_section *own_record(void) {
    if (own_section != NULL) return own_section;
    struct sm_section *record = calloc(1, sizeof *record);
    if (record == NULL) return NULL;
    atomic_init(&record->holders, 1);
    if (sm_os_at_thread_end(drop, record) != 0) {
        free(record);
        return NULL;
    }
    own_section = record;
    return record;
}

struct sm_section *sm_section_begin(void) {
    struct sm_section *section = own_record();
    if (section == NULL) return NULL;
    atomic_fetch_add(&section->holders, 1);
    atomic_fetch_add(&section->depth, 1);
    atomic_fetch_add(&wanted, 1);
    return section;
}

void sm_section_end(struct sm_section *section, size_t depth) {
    bool is_own = section == own_section;
    atomic_fetch_sub(&wanted, 1);
    atomic_fetch_sub(&section->depth, 1);
    drop(section);
    if (is_own) sm_scrub(depth);
}

/* -- entries -- */

void *sm_entry_bytes(const char *source, intptr_t length) {
    if (!sm_heap_is_serving()) return make_bytes(source, length);
    atomic_fetch_add_explicit(&wanted, 1, memory_order_relaxed);
    making_bytes++;
    void *bytes = make_bytes(source, length);
    making_bytes--;
    atomic_fetch_sub_explicit(&wanted, 1, memory_order_relaxed);
    sm_scrub_note();
    return bytes;
}

void sm_entry_buffer_release(void *view) {
    release_buffer(view);
    sm_scrub_point();
}

void sm_entry_decref(void *object) {
    drop_reference(object);
    sm_scrub_point();
}
