/* page_counts.c: lock counts as a sorted array of stretches.
 *
 * Every stretch begins and ends where a live lock or an undone stretch does, so
 * n locks and m of those make at most 2(n + m) - 1 stretches.  The array has
 * that room before a lock is added or undone: dropping one splits and merges,
 * and can never run out of memory.  A lock of a gigabyte is one entry; finding
 * one is a binary search.
 *
 * Tickets grow.  What a munlock undid are the locks up to the last ticket of
 * that moment; those made later count.
 */
#include "page_counts.h"

#include <stdlib.h>
#include <string.h>

#include "os.h"

static struct sm_counted *stretches;
static size_t used;
static size_t room;
static size_t live; /* locks */
static size_t cuts; /* undone stretches, at most */
static uint64_t last_ticket;
static uint64_t forgotten; /* locks up to this ticket are another process's */

/* The first stretch that ends above the address. */
static size_t find(uintptr_t address) {
    size_t low = 0;
    size_t high = used;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stretches[middle].end > address) high = middle;
        else low = middle + 1;
    }
    return low;
}

static void insert(size_t index, struct sm_counted stretch) {
    memmove(&stretches[index + 1], &stretches[index], (used - index) * sizeof *stretches);
    stretches[index] = stretch;
    used++;
}

/* So that a stretch begins at the address, if any contains it. */
static void split(uintptr_t address) {
    size_t index = find(address);
    if (index == used || stretches[index].start >= address) return;
    insert(index, stretches[index]);
    stretches[index].end = address;
    stretches[index + 1].start = address;
}

/* Puts stretches that nobody holds where there are none. */
static void fill(uintptr_t start, uintptr_t end) {
    for (size_t i = find(start); start < end; i++) {
        uintptr_t next = i < used && stretches[i].start < end ? stretches[i].start : end;
        if (start < next) insert(i, (struct sm_counted){.start = start, .end = next});
        start = stretches[i].end;
    }
}

static bool continues(const struct sm_counted *before, const struct sm_counted *after) {
    return before->end == after->start && before->locks == after->locks && before->full == after->full &&
           before->pending == after->pending && before->undone == after->undone && before->up_to == after->up_to;
}

/* Removes what nobody holds and joins equal neighbours, from one stretch below the range to one above. */
static void tidy(uintptr_t start, uintptr_t end) {
    size_t from = find(start);
    if (from > 0) from--;
    size_t to = from;
    size_t i = from;
    for (; i < used && stretches[i].start <= end; i++) {
        if (stretches[i].locks + stretches[i].undone == 0) continue;
        if (to > 0 && continues(&stretches[to - 1], &stretches[i])) stretches[to - 1].end = stretches[i].end;
        else stretches[to++] = stretches[i];
    }
    memmove(&stretches[to], &stretches[i], (used - i) * sizeof *stretches);
    used -= i - to;
}

static bool make_room(void) {
    size_t needed = 2 * (live + cuts + 1);
    if (needed <= room) return true;
    size_t larger = needed < 32 ? 64 : 2 * needed;
    struct sm_counted *moved = realloc(stretches, larger * sizeof *moved);
    if (moved == NULL) return false;
    stretches = moved;
    room = larger;
    return true;
}

uint64_t sm_counts_ticket(void) {
    return ++last_ticket;
}

bool sm_counts_add(uintptr_t start, uintptr_t end, bool full) {
    if (!make_room()) return false;
    live++;
    split(start);
    split(end);
    fill(start, end);
    for (size_t i = find(start); i < used && stretches[i].start < end; i++) {
        stretches[i].locks++;
        stretches[i].pending++;
        if (full) stretches[i].full++;
    }
    tidy(start, end);
    return true;
}

void sm_counts_settle(uintptr_t start, uintptr_t end) {
    split(start);
    split(end);
    for (size_t i = find(start); i < used && stretches[i].start < end; i++) stretches[i].pending--;
    tidy(start, end);
}

/* One lock less; whether none is left. */
static bool drop_one(struct sm_counted *stretch, uint64_t ticket, bool full) {
    if (stretch->up_to >= ticket) {
        if (--stretch->undone == 0) stretch->up_to = 0;
        return stretch->locks == 0;
    }
    if (stretch->locks == 0) sm_os_abort("a page lock was released that is not held");
    if (full) stretch->full--;
    return --stretch->locks == 0;
}

void sm_counts_drop(uint64_t ticket, uintptr_t start, uintptr_t end, bool full,
                    void (*unlock)(uintptr_t start, uintptr_t end, void *context), void *context) {
    split(start);
    split(end);
    for (size_t i = find(start); i < used && stretches[i].start < end; i++) {
        if (drop_one(&stretches[i], ticket, full)) unlock(stretches[i].start, stretches[i].end, context);
    }
    tidy(start, end);
    live--;
}

bool sm_counts_undo(uintptr_t start, uintptr_t end) {
    cuts = 1;
    for (size_t i = 0; i < used; i++) cuts += stretches[i].undone > 0;
    if (!make_room()) return false;
    split(start);
    split(end);
    for (size_t i = find(start); i < used && stretches[i].start < end; i++) {
        if (stretches[i].locks == 0) continue;
        stretches[i].undone += stretches[i].locks;
        stretches[i].up_to = last_ticket;
        stretches[i].locks = stretches[i].full = 0;
    }
    tidy(start, end);
    return true;
}

bool sm_counts_hold(uint64_t ticket, uintptr_t start, uintptr_t end) {
    if (ticket <= forgotten) return false;
    for (size_t i = find(start); i < used && stretches[i].start < end; i++) {
        if (stretches[i].up_to >= ticket) return false;
    }
    return true;
}

const struct sm_counted *sm_counts_all(size_t *count) {
    *count = used;
    return stretches;
}

void sm_counts_forget(void) {
    used = 0;
    live = 0;
    cuts = 0;
    forgotten = last_ticket;
}
