/* pages.c: a run of pages with its guards and protections.
 *
 * The region is reserved without access; what is not opened stays a guard and
 * costs no locked memory.  Advice is given to the whole region at once, while
 * it still is one mapping; then each stretch between guards is opened and
 * locked.  mlock of writable private memory populates it, so a missing frame
 * is known now and not at the first write.
 */
#include "pages.h"

#include <errno.h>
#include <string.h>

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

/* Over the limit the kernel says ENOMEM, at limit 0 EPERM, and for secret
 * memory, which is charged when mapped, EAGAIN. */
static enum sm_status lock_status(int error) {
    return error == ENOMEM || error == EPERM ? SM_LOCK_LIMIT : SM_LOCK_FAILED;
}

static enum sm_status map_stretch(uint8_t *address, size_t length, bool locked) {
    int error = sm_os_protect(address, length, SM_ACCESS_WRITE);
    if (error != 0) return sm_os_refusal(error);
    if (!locked) return SM_OK;
    error = sm_os_lock(address, length);
    return error == 0 ? SM_OK : lock_status(error);
}

static enum sm_status advise_region(const struct sm_pages *pages) {
    uint8_t *region = pages->region;
    size_t length = pages->region_length;
    int error = sm_os_exclude_from_dumps(region, length);
    if (error == 0) error = sm_os_exclude_from_fork(region, length);
    if (error == 0) error = sm_os_exclude_from_merging(region, length);
    if (error == 0) error = sm_os_exclude_from_huge_pages(region, length);
    return error == 0 ? SM_OK : sm_os_refusal(error);
}

/* One stretch per span where guards stand between them, else one for all. */
static enum sm_status map_stretches(struct sm_pages *pages) {
    const struct sm_layout *layout = &pages->layout;
    size_t stretches = layout->guard_each ? layout->spans : 1;
    size_t length = layout->guard_each ? layout->span_length : sm_pages_bytes(layout);
    enum sm_status status = SM_OK;
    for (size_t i = 0; i < stretches && status == SM_OK; i++) {
        status = map_stretch(sm_pages_span(pages, i), length, layout->locked);
    }
    return status;
}

enum sm_status sm_pages_map(struct sm_pages *out, const struct sm_layout *layout) {
    size_t page = sm_os_page_size();
    struct sm_pages pages = {.layout = *layout, .step = sm_pages_step(layout)};
    pages.region_length = page + layout->spans * pages.step + (layout->guard_each ? 0 : page);
    void *region;
    if (sm_os_reserve(&region, pages.region_length) != 0) return SM_NO_MEMORY;
    pages.region = region;
    pages.first = pages.region + page;
    enum sm_status status = advise_region(&pages);
    if (status == SM_OK) status = map_stretches(&pages);
    if (status != SM_OK) {
        struct sm_failure cause = *sm_failure_get();
        sm_pages_unmap(&pages);
        sm_failure_set(cause.call, cause.error, cause.wanted);
        return status;
    }
    *out = pages;
    return SM_OK;
}

/* Unmapping a whole region of ours fails only if its address or length is
 * wrong, which is corruption. */
void sm_pages_unmap(struct sm_pages *pages) {
    if (sm_os_unmap(pages->region, pages->region_length) != 0) {
        sm_os_abort("pages could not be unmapped: their bookkeeping is damaged");
    }
}
