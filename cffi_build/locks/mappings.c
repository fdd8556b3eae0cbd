/* mappings.c: the kernel's account of this process's mappings, read and judged.
 *
 * smaps is the only place where the kernel tells of a lock.  A reading is not
 * one moment: it takes several calls, and other threads may map and unmap in
 * between.  What exists throughout is told of.
 */
#include "mappings.h"

#include <errno.h>
#include <stdlib.h>

static void collect(const struct sm_mapping *mapping, void *context) {
    struct sm_mappings *all = context;
    if (!mapping->locked && !mapping->secret && !mapping->never_locked && mapping->swapped == 0) return;
    if (all->count == all->room) {
        size_t larger = all->room == 0 ? 64 : 2 * all->room;
        struct sm_mapping *moved = realloc(all->list, larger * sizeof *moved);
        all->full = all->full || moved == NULL;
        if (moved == NULL) return;
        all->list = moved;
        all->room = larger;
    }
    all->list[all->count++] = *mapping;
}

int sm_mappings_read(struct sm_mappings *out) {
    *out = (struct sm_mappings){0};
    int error = sm_os_mappings_visit(collect, out);
    if (error == 0 && out->full) error = sm_os_note("realloc", ENOMEM, out->room * sizeof *out->list);
    if (error != 0) sm_mappings_free(out);
    return error;
}

void sm_mappings_free(struct sm_mappings *mappings) {
    free(mappings->list);
    *mappings = (struct sm_mappings){0};
}

static bool is_held(const struct sm_mapping *mapping, bool resident) {
    if (mapping->never_locked) return true;
    if (resident && mapping->resident < mapping->end - mapping->start) return false;
    return mapping->locked || mapping->secret;
}

static bool hold(const struct sm_mappings *mappings, uintptr_t start, uintptr_t end, bool resident) {
    const struct sm_mapping *list = mappings->list;
    size_t low = 0;
    size_t high = mappings->count;
    while (low < high) { /* the first that ends above start */
        size_t middle = low + (high - low) / 2;
        if (list[middle].end > start) high = middle;
        else low = middle + 1;
    }
    for (; start < end; low++) {
        if (low == mappings->count || list[low].start > start) return false;
        if (!is_held(&list[low], resident)) return false;
        start = list[low].end;
    }
    return true;
}

bool sm_mappings_hold(const struct sm_mappings *mappings, uintptr_t start, uintptr_t end) {
    return hold(mappings, start, end, false);
}

bool sm_mappings_hold_resident(const struct sm_mappings *mappings, uintptr_t start, uintptr_t end) {
    return hold(mappings, start, end, true);
}

/* -- one range, without collecting -- */

struct survey {
    struct sm_range range;
    uintptr_t start;
    uintptr_t end;
    uintptr_t held; /* locked from start up to here */
    size_t total;   /* bytes of all mappings */
};

static void add(const struct sm_mapping *mapping, void *context) {
    struct survey *survey = context;
    uintptr_t low = mapping->start > survey->start ? mapping->start : survey->start;
    uintptr_t high = mapping->end < survey->end ? mapping->end : survey->end;
    size_t common = low < high ? high - low : 0;
    survey->range.mappings++;
    survey->total += mapping->end - mapping->start;
    if (mapping->accessible) survey->range.accessible += common;
    if (!mapping->locked) return;
    survey->range.locked += common;
    if (mapping->start <= survey->held && mapping->end > survey->held) survey->held = mapping->end;
}

static int make_survey(struct survey *out, uintptr_t start, uintptr_t end) {
    *out = (struct survey){.start = start, .end = end, .held = start};
    return sm_os_mappings_visit(add, out);
}

int sm_range_survey(struct sm_range *out, uintptr_t start, uintptr_t end) {
    struct survey survey;
    int error = make_survey(&survey, start, end);
    *out = survey.range;
    return error;
}

int sm_range_is_locked(bool *out, uintptr_t start, uintptr_t end) {
    struct survey survey;
    int error = make_survey(&survey, start, end);
    *out = error == 0 && survey.held >= end;
    return error;
}

size_t sm_address_space(void) {
    struct survey survey;
    return make_survey(&survey, 0, 0) == 0 ? survey.total : 0;
}
