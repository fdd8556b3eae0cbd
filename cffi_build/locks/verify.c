/* verify.c: what of ours is locked, by the kernel's word.
 *
 * Anything in the process may call munlockall() or munlock(), and then the
 * pages of secrets can be swapped out.  Here the locked mappings are read from
 * the kernel and compared with what should be; what is missing is locked again
 * and read back.
 *
 * Reading the kernel's books takes long where there are many mappings.  So they
 * are read without the mutex first: what was mapped meanwhile seems lost then,
 * and only where something seems lost are they read again under the mutex, to
 * be believed.
 *
 * A closed page has no access, and mlock would mark it without bringing it
 * back from swap; so it is opened for the length of the call.
 */
#include "verify.h"

#include "failure.h"
#include "gate.h"
#include "mappings.h"
#include "os.h"
#include "page_counts.h"
#include "page_locks.h"
#include "windows.h"

struct reading {
    struct sm_mappings mappings;
    size_t secrets;      /* bytes that should be locked */
    size_t lost_secrets; /* bytes of those that are not */
    size_t swapped;
    int error;           /* the first refusal to lock again */
    bool repair;
};

/* smaps counts by mapping, and so does this: each mapping once. */
static void add_swapped(struct reading *reading, uintptr_t start, uintptr_t end) {
    struct sm_mapping *list = reading->mappings.list;
    for (size_t i = 0; i < reading->mappings.count && list[i].start < end; i++) {
        if (list[i].end <= start) continue;
        reading->swapped += list[i].swapped;
        list[i].swapped = 0;
    }
}

static void note(struct reading *reading, int error) {
    if (reading->error == 0) reading->error = error;
}

int sm_page_lock_window(struct sm_window *window) {
    if (sm_window_open(window, false) != SM_OK) return sm_os_failed_call()->error;
    int error = sm_os_lock(window->address, window->length);
    if (error == 0) (void)sm_os_lock_on_fault(window->address, window->length); /* as it was: cheaper to open */
    sm_window_close(window, false);
    return error;
}

static void check_window(struct sm_window *window, void *context) {
    struct reading *reading = context;
    uintptr_t start = (uintptr_t)window->address;
    reading->secrets += window->length;
    if (sm_mappings_hold_resident(&reading->mappings, start, start + window->length)) return;
    reading->lost_secrets += window->length;
    if (!reading->repair) return;
    add_swapped(reading, start, start + window->length);
    note(reading, sm_page_lock_window(window));
}

struct lock_totals {
    size_t bytes;
    size_t lost;
    size_t gone;
};

/* Page by page, for part of a stretch may have been unlocked or unmapped. */
static void check_stretch(struct reading *reading, struct lock_totals *totals, const struct sm_counted *counted) {
    size_t page = sm_os_page_size();
    if (counted->locks == 0) return;
    totals->bytes += counted->end - counted->start;
    if (counted->pending > 0 || sm_mappings_hold(&reading->mappings, counted->start, counted->end)) return;
    for (uintptr_t start = counted->start; start < counted->end; start += page) {
        if (sm_mappings_hold(&reading->mappings, start, start + page)) continue;
        if (!sm_os_is_mapped((void *)start)) {
            totals->gone += page;
            continue;
        }
        totals->lost += page;
        if (!reading->repair) continue;
        add_swapped(reading, start, start + page);
        note(reading, counted->full > 0 ? sm_os_lock((void *)start, page) : sm_os_lock_on_fault((void *)start, page));
    }
}

static void compare(struct reading *reading, struct lock_totals *totals) {
    sm_secret_pages_visit(check_window, reading);
    size_t count;
    const struct sm_counted *counted = sm_counts_all(&count);
    for (size_t i = 0; i < count; i++) check_stretch(reading, totals, &counted[i]);
    sm_mappings_free(&reading->mappings);
}

static int read_all(struct reading *reading, struct lock_totals *totals) {
    int error = sm_mappings_read(&reading->mappings);
    if (error == 0) compare(reading, totals);
    return error;
}

/* Without the mutex held for long; false: something seems lost, or gone, or cannot be read. */
static bool is_intact(struct reading *reading, struct lock_totals *totals) {
    if (sm_mappings_read(&reading->mappings) != 0) return false;
    sm_enter();
    compare(reading, totals);
    sm_leave();
    return reading->lost_secrets + totals->lost + totals->gone == 0;
}

enum sm_status sm_verify(struct sm_verification *out) {
    struct reading first = {.repair = true};
    struct reading second = {.repair = false};
    struct lock_totals locks = {0};
    struct lock_totals left = {0};
    *out = (struct sm_verification){0};
    if (is_intact(&second, &left)) {
        out->secret_bytes = second.secrets;
        out->lock_bytes = left.bytes;
        return SM_OK;
    }
    second = (struct reading){.repair = false};
    left = (struct lock_totals){0};
    sm_enter();
    int error = read_all(&first, &locks);
    bool lost = first.lost_secrets > 0 || locks.lost > 0;
    if (error == 0 && lost) error = read_all(&second, &left);
    sm_leave();
    if (error != 0) return sm_fail(SM_NO_SMAPS);
    out->secret_bytes = first.secrets;
    out->lock_bytes = locks.bytes;
    out->repaired_secret_bytes = first.lost_secrets - second.lost_secrets;
    out->repaired_lock_bytes = locks.lost - left.lost;
    out->swapped_bytes = first.swapped;
    out->gone_bytes = locks.gone;
    out->unlocked_bytes = second.lost_secrets + left.lost;
    if (out->unlocked_bytes == 0) return SM_OK;
    return sm_fail_in(SM_LOCK_LOST, "mlock", first.error, out->unlocked_bytes);
}
