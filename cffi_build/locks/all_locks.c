/* all_locks.c: mlockall and munlockall, beside memory that must stay locked.
 *
 * munlockall() would unlock secrets and counted page locks too.  Instead every
 * locked mapping is read from the kernel, and what is not ours in it is
 * unlocked piece by piece.
 *
 * That leaves MCL_FUTURE, which only mlockall and munlockall cancel.  The
 * former does it without unlocking anything: mlockall(MCL_CURRENT|MCL_ONFAULT)
 * locks all that exists and brings nothing in.  The kernel allows it if the
 * whole address space fits under the limit, and else refuses before changing
 * anything.  Whether MCL_FUTURE is in force is seen on a new mapping.
 */
#include "all_locks.h"

#include <errno.h>
#include <stdlib.h>

#include "failure.h"
#include "gate.h"
#include "lock_refusal.h"
#include "mappings.h"
#include "os.h"
#include "page_counts.h"
#include "page_locks.h"
#include "pages.h"
#include "verify.h"
#include "windows.h"

#define PROBE_FRAME 4096
#define STACK_MARGIN ((size_t)64 << 10) /* left for the caller's own calls */

/* For mlockall ENOMEM has one cause: the process is larger than the limit.
 * secrets: bytes locked for them. */
static enum sm_status all_status(int error, size_t secrets) {
    if (error == 0) return SM_OK;
    size_t wanted = sm_address_space();
    sm_os_note("mlockall", error, wanted);
    return sm_lock_refusal(error, wanted, secrets);
}

enum sm_status sm_lock_all(bool current, bool future, bool on_fault) {
    sm_enter();
    bool covered = sm_page_locks_cover_all(true);
    size_t secrets = sm_pages_locked();
    sm_leave();
    int error = sm_os_lock_all(current, future, on_fault); /* brings in the whole process: not under the mutex */
    if (error == 0) return SM_OK;
    sm_enter();
    sm_page_locks_cover_all(covered);
    sm_leave();
    return all_status(error, secrets);
}

/* -- what must stay locked -- */

struct stretch {
    uintptr_t start;
    uintptr_t end;
};

struct kept {
    struct stretch *stretches;
    size_t count;
    size_t room;
};

static void count_window(struct sm_window *window, void *context) {
    (void)window;
    ((struct kept *)context)->room++;
}

static void keep_window(struct sm_window *window, void *context) {
    struct kept *kept = context;
    uintptr_t start = (uintptr_t)window->address;
    kept->stretches[kept->count++] = (struct stretch){start, start + window->length};
}

static int by_start(const void *a, const void *b) {
    const struct stretch *left = a;
    const struct stretch *right = b;
    return (left->start > right->start) - (left->start < right->start);
}

/* Secrets' pages and counted ones, in the order of addresses; they may overlap. */
static bool collect(struct kept *kept) {
    size_t counts;
    const struct sm_counted *counted = sm_counts_all(&counts);
    *kept = (struct kept){.room = counts};
    sm_secret_pages_visit(count_window, kept);
    kept->stretches = malloc((kept->room + 1) * sizeof *kept->stretches);
    if (kept->stretches == NULL) return false;
    sm_secret_pages_visit(keep_window, kept);
    for (size_t i = 0; i < counts; i++) {
        if (counted[i].locks == 0) continue;
        kept->stretches[kept->count++] = (struct stretch){counted[i].start, counted[i].end};
    }
    qsort(kept->stretches, kept->count, sizeof *kept->stretches, by_start);
    return true;
}

static size_t bytes_of(const struct kept *kept) {
    size_t bytes = 0;
    uintptr_t reached = 0;
    for (size_t i = 0; i < kept->count; i++) {
        uintptr_t start = kept->stretches[i].start > reached ? kept->stretches[i].start : reached;
        if (kept->stretches[i].end <= start) continue;
        bytes += kept->stretches[i].end - start;
        reached = kept->stretches[i].end;
    }
    return bytes;
}

/* What could not be locked again must not be unlocked. */
static bool fits_limit(const struct kept *kept) {
    size_t limit;
    return sm_os_lock_limit(&limit) == 0 && bytes_of(kept) <= limit;
}

/* -- munlockall -- */

static int unlock_piece(struct sm_unlocking *out, uintptr_t start, uintptr_t end) {
    if (start >= end) return 0;
    int error = sm_os_unlock((void *)start, end - start);
    if (error == 0) out->unlocked_bytes += end - start;
    /* Unmapped meanwhile by another thread: then it is not locked either. */
    return error != 0 && sm_os_is_mapped((void *)start) ? error : 0;
}

/* Unlocks every locked mapping but for the stretches kept; goes on after a refusal. */
static int unlock_others(struct sm_unlocking *out, const struct kept *kept) {
    struct sm_mappings mappings;
    int first = sm_mappings_read(&mappings);
    if (first != 0) return first;
    size_t k = 0;
    for (size_t i = 0; i < mappings.count; i++) {
        uintptr_t start = mappings.list[i].start;
        uintptr_t end = mappings.list[i].end;
        if (!mappings.list[i].locked) continue;
        while (k < kept->count && kept->stretches[k].end <= start) k++;
        for (size_t j = k; j < kept->count && kept->stretches[j].start < end; j++) {
            int error = unlock_piece(out, start, kept->stretches[j].start);
            if (first == 0) first = error;
            if (kept->stretches[j].end > start) start = kept->stretches[j].end;
        }
        int error = unlock_piece(out, start, end);
        if (first == 0) first = error;
    }
    sm_mappings_free(&mappings);
    return first;
}

/* Whether new mappings are locked: by making one. */
static enum sm_status find_future(bool *out) {
    void *page = NULL;
    int error = sm_os_reserve(&page, sm_os_page_size());
    *out = error == EAGAIN; /* over the limit */
    if (error != 0) return *out ? SM_OK : sm_fail(SM_NO_MEMORY);
    error = sm_range_is_locked(out, (uintptr_t)page, (uintptr_t)page + sm_os_page_size());
    sm_os_unmap(page, sm_os_page_size()); /* fails only where splitting a mapping does */
    return error == 0 ? SM_OK : sm_fail(SM_NO_SMAPS);
}

static int cancel_future(void) {
    int error = sm_os_lock_all(true, false, true);
    return error == EINVAL ? sm_os_lock_all(true, false, false) : error; /* MCL_ONFAULT came with Linux 4.4 */
}

static void bring_back(struct sm_window *window, void *context) {
    int error = sm_page_lock_window(window);
    if (error != 0) *(int *)context = error;
}

/* Unlocks all, and locks again what is ours: first as fast as can be, then
 * bringing back what may have left RAM from behind closed windows.  What was
 * refused, sm_verify finds. */
static enum sm_status unlock_with_gap(struct sm_unlocking *out, const struct kept *kept) {
    uint64_t before = sm_os_nanoseconds();
    if (sm_os_unlock_all() != 0) return sm_fail(SM_LOCK_FAILED);
    for (size_t i = 0; i < kept->count; i++) {
        uintptr_t start = kept->stretches[i].start;
        (void)sm_os_lock((void *)start, kept->stretches[i].end - start); /* closed pages say ENOMEM and are locked */
    }
    out->gap_nanoseconds = sm_os_nanoseconds() - before;
    out->gap_bytes = bytes_of(kept);
    int error = 0;
    sm_secret_pages_visit(bring_back, &error);
    return error == 0 || error == ENOMEM || error == EPERM ? SM_OK : sm_fail_in(SM_LOCK_FAILED, "mlock", error, 0);
}

static enum sm_status unlock_all(struct sm_unlocking *out, bool allow_gap) {
    bool future;
    struct kept kept;
    enum sm_status status = find_future(&future);
    if (status != SM_OK) return status;
    if (!collect(&kept)) {
        return sm_fail_in(SM_NO_MEMORY, "malloc", ENOMEM, kept.room * sizeof *kept.stretches);
    }
    status = future ? all_status(cancel_future(), sm_pages_locked()) : SM_OK;
    if (status == SM_OK) {
        int error = unlock_others(out, &kept);
        sm_page_locks_cover_all(false);
        if (error != 0) status = sm_fail_in(error == ENOMEM ? SM_MAPPINGS : SM_LOCK_FAILED, "munlock", error, 0);
    } else if (status == SM_LOCK_LIMIT && allow_gap && fits_limit(&kept)) {
        status = unlock_with_gap(out, &kept);
        if (status == SM_OK) sm_page_locks_cover_all(false);
    }
    free(kept.stretches);
    return status;
}

enum sm_status sm_unlock_all(struct sm_unlocking *out, bool allow_gap) {
    *out = (struct sm_unlocking){0};
    sm_enter();
    enum sm_status status = unlock_all(out, allow_gap);
    sm_leave();
    if (status != SM_OK || out->gap_bytes == 0) return status;
    struct sm_verification verification;
    return sm_verify(&verification);
}

/* -- stack -- */

/* Each level owns one page of stack below its caller's and writes to it. */
static __attribute__((noinline)) void touch(size_t pages) {
    uint8_t frame[PROBE_FRAME];
    frame[0] = 0;
    __asm__ volatile("" : : "r"(frame) : "memory"); /* as if it were read */
    if (pages > 1) touch(pages - 1);
    __asm__ volatile("" : : "r"(frame) : "memory"); /* no tail call: the frames must nest */
}

enum sm_status sm_stack_reserve(size_t length) {
    size_t room = sm_os_stack_room();
    if (room < STACK_MARGIN || length > room - STACK_MARGIN) {
        return sm_fail_in(SM_NO_STACK, "getrlimit", ENOMEM, length);
    }
    /* A frame is a little more than its page; a page more than was asked for never hurts. */
    if (length > 0) touch((length - 1) / PROBE_FRAME + 1);
    return SM_OK;
}
