/* pages.c: a run of pages with its guards and protections.
 *
 * The region is reserved without access; what is not opened stays a guard and
 * costs no locked memory.  Each stretch between guards is then opened and
 * locked, or, as secret memory, mapped there.  Either way its frames are there
 * before the first write: a locked stretch is populated, and secret memory,
 * which cannot be locked or populated on request, is touched.
 *
 * Locked with MLOCK_ONFAULT, the frames are as fixed as by mlock, and a change
 * of access costs less: mlock has the kernel look for missing frames whenever a
 * mapping becomes writable.
 *
 * A run that children inherit is kept from them all the same, but for the moment
 * of a fork whose handlers run: it is then offered, and withdrawn right after.
 */
#include "pages.h"

#include <errno.h>

#include "failure.h"
#include "lock_refusal.h"
#include "wipe.h"

/* Address space left to others' mappings, which the kernel places downwards. */
#define ROOM_ABOVE ((size_t)1 << 30)

size_t sm_pages_step(const struct sm_layout *layout) {
    return layout->span_length + (layout->guard_each ? sm_os_page_size() : 0);
}

size_t sm_pages_bytes(const struct sm_layout *layout) {
    return layout->span_length * layout->spans;
}

size_t sm_pages_mappings(const struct sm_layout *layout) {
    return layout->guard_each ? 2 * layout->spans + 1 : 3;
}

void sm_pages_guards(const struct sm_pages *pages, size_t index, uintptr_t *below, uintptr_t *above) {
    size_t page = sm_os_page_size();
    if (pages->layout.guard_each) {
        *below = (uintptr_t)sm_pages_span(pages, index) - page;
        *above = (uintptr_t)sm_pages_span(pages, index) + pages->layout.span_length;
    } else {
        *below = (uintptr_t)pages->region;
        *above = (uintptr_t)pages->region + pages->region_length - page;
    }
}

static size_t locked; /* bytes of runs */

size_t sm_pages_locked(void) {
    return locked;
}

void sm_pages_forget(void) {
    locked = 0;
}

static int protect(uint8_t *address, size_t length) {
    int error = sm_os_exclude_from_dumps(address, length);
    if (error == 0) error = sm_os_exclude_from_fork(address, length);
    if (error == 0) error = sm_os_exclude_from_merging(address, length);
    if (error == 0) error = sm_os_exclude_from_huge_pages(address, length);
    return error;
}

/* One stretch per span where guards stand between them, else one for all. */
static size_t stretches(const struct sm_layout *layout) {
    return layout->guard_each ? layout->spans : 1;
}

static size_t stretch_length(const struct sm_layout *layout) {
    return layout->guard_each ? layout->span_length : sm_pages_bytes(layout);
}

static int lock_frames(uint8_t *address, size_t length) {
    int error = sm_os_lock_on_fault(address, length);
    return error == ENOSYS || error == EINVAL ? sm_os_lock(address, length) : error; /* before Linux 4.4, or filtered */
}

static enum sm_status lock_stretch(uint8_t *address, size_t length) {
    int error = lock_frames(address, length);
    if (error == 0) error = sm_os_populate(address, length);
    return error == 0 ? SM_OK : sm_lock_refusal(error, length, locked);
}

/* Advice goes to the whole region at once, while it still is one mapping. */
static enum sm_status map_anonymous(const struct sm_pages *pages) {
    const struct sm_layout *layout = &pages->layout;
    int error = protect(pages->region, pages->region_length);
    for (size_t i = 0; i < stretches(layout) && error == 0; i++) {
        uint8_t *address = sm_pages_span(pages, i);
        error = sm_os_protect(address, stretch_length(layout), SM_ACCESS_WRITE);
        if (error != 0 || !layout->locked) continue;
        enum sm_status status = lock_stretch(address, stretch_length(layout));
        if (status != SM_OK) return status;
    }
    return error == 0 ? SM_OK : sm_fail_by_error(error);
}

/* Over the limit it is EAGAIN that the kernel says: secret memory is charged when it is mapped. */
static enum sm_status map_secret_stretch(uint8_t *address, size_t length, int file, size_t offset) {
    int error = sm_os_map_secret(address, length, file, offset);
    if (error == ENOMEM) return sm_fail(SM_NO_MEMORY);
    if (error != 0) return sm_lock_refusal(error == EAGAIN ? ENOMEM : error, length, locked);
    error = protect(address, length);
    if (error != 0) return sm_fail_by_error(error);
    error = sm_os_touch(address, length);
    return error == 0 ? SM_OK : sm_secret_memory_refusal(error, (uintptr_t)address, length, locked);
}

/* The file is gone before this returns: an open one would outlive an exec, and
 * could be taken by another process. */
static enum sm_status map_secret(const struct sm_pages *pages) {
    const struct sm_layout *layout = &pages->layout;
    size_t length = stretch_length(layout);
    int file;
    int error = protect(pages->region, pages->region_length); /* the guards */
    if (error != 0) return sm_fail_by_error(error);
    error = sm_os_secret_file(&file, sm_pages_bytes(layout));
    if (error == ENOSYS || error == EPERM) return sm_fail(SM_NO_BACKEND); /* EPERM: a filter, as containers have */
    if (error != 0) return sm_fail_by_error(error);
    enum sm_status status = SM_OK;
    for (size_t i = 0; i < stretches(layout) && status == SM_OK; i++) {
        status = map_secret_stretch(sm_pages_span(pages, i), length, file, i * length);
    }
    error = sm_os_close(file);
    return status == SM_OK && error != 0 ? sm_fail(SM_REFUSED) : status;
}

/* The region mapped last. Only a wish: where it cannot be, the kernel chooses. */
static uint8_t *lowest;

void sm_pages_start(void) {
    void *probe = NULL;
    if (sm_os_reserve(&probe, sm_os_page_size()) != 0) return;
    lowest = (uint8_t *)probe - ROOM_ABOVE;
    sm_os_unmap(probe, sm_os_page_size());
}

enum sm_status sm_pages_map(struct sm_pages *out, const struct sm_layout *layout) {
    size_t page = sm_os_page_size();
    *out = (struct sm_pages){.layout = *layout, .step = sm_pages_step(layout)};
    out->region_length = page + layout->spans * out->step + (layout->guard_each ? 0 : page);
    void *region = (uintptr_t)lowest > out->region_length ? lowest - out->region_length : NULL;
    int error = sm_os_reserve(&region, out->region_length);
    /* EAGAIN: under MCL_FUTURE, over the limit */
    if (error == EAGAIN) return sm_lock_refusal(ENOMEM, out->region_length, locked);
    if (error != 0) return sm_fail(SM_NO_MEMORY);
    out->region = lowest = region;
    out->first = out->region + page;
    enum sm_status status = layout->backend == SM_BACKEND_MEMFD_SECRET ? map_secret(out) : map_anonymous(out);
    if (status == SM_OK && layout->locked) {
        out->counted = sm_pages_bytes(layout);
        locked += out->counted;
    }
    return status;
}

int sm_pages_unmap(struct sm_pages *pages) {
    int error = pages->region == NULL ? 0 : sm_os_unmap(pages->region, pages->region_length);
    /* At a cgroup's limit the kernel has no memory to unmap with: what lies in the pages is freed first. */
    if (error == ENOMEM && sm_os_discard(pages->region, pages->region_length) == 0) {
        error = sm_os_unmap(pages->region, pages->region_length);
    }
    if (error == 0) locked -= pages->counted;
    if (error == EINVAL) sm_os_abort("pages could not be unmapped: their bookkeeping is damaged");
    return error;
}

/* -- fork -- */

void sm_pages_offer(struct sm_pages *pages) {
    pages->offer = SM_OFFER_PART; /* a raw clone by another thread may come at any moment */
    if (sm_os_include_in_fork(pages->region, pages->region_length) == 0) pages->offer = SM_OFFER_ALL;
    else sm_pages_withdraw(pages);
}

/* Where the kernel refuses, the run stays offered, and it is tried again. */
void sm_pages_withdraw(struct sm_pages *pages) {
    if (pages->offer == SM_OFFER_NONE) return;
    pages->offer = SM_OFFER_PART;
    if (sm_os_exclude_from_fork(pages->region, pages->region_length) == 0) pages->offer = SM_OFFER_NONE;
}

/* The child has no lock, and shares the frames with its parent until one of them writes. */
bool sm_pages_take_over(struct sm_pages *pages) {
    const struct sm_layout *layout = &pages->layout;
    if (pages->offer != SM_OFFER_ALL) return false;
    int error = protect(pages->region, pages->region_length);
    for (size_t i = 0; i < stretches(layout) && error == 0; i++) {
        uint8_t *address = sm_pages_span(pages, i);
        error = sm_os_protect(address, stretch_length(layout), SM_ACCESS_WRITE);
        if (error == 0 && layout->locked) error = lock_frames(address, stretch_length(layout));
        if (error == 0) error = sm_os_unshare(address, stretch_length(layout));
    }
    if (error != 0) return false;
    pages->offer = SM_OFFER_NONE;
    pages->taken_over = true;
    locked += pages->counted;
    return true;
}

static void wipe_stretches(const struct sm_pages *pages) {
    for (size_t i = 0; i < stretches(&pages->layout); i++) {
        uint8_t *address = sm_pages_span(pages, i);
        if (sm_os_protect(address, stretch_length(&pages->layout), SM_ACCESS_WRITE) != 0) {
            sm_os_abort("a forked child can neither lock, unmap nor wipe the secrets that it inherited");
        }
        sm_wipe(address, stretch_length(&pages->layout));
    }
}

void sm_pages_abandon(const struct sm_pages *pages) {
    if (pages->offer == SM_OFFER_NONE) {
        /* Taken already: then by a mapping made since the fork, and there is nothing to keep free. */
        (void)sm_os_reserve_at(pages->region, pages->region_length);
    } else if (sm_os_reserve_over(pages->region, pages->region_length) != 0 &&
               sm_os_unmap(pages->region, pages->region_length) != 0) {
        wipe_stretches(pages);
    }
}
