/* slab.c: slots in pages.
 *
 * A span holds per_span slots of slot_size bytes, each followed by a canary
 * that is written once, when the slab is made.  A secret shorter than its slot
 * leaves slack, which is zero as the whole slot was when it was taken; so the
 * first byte written too far is seen, not only the first past the slot.
 *
 * A large request is a slab of one slot: the secret ends where the span ends,
 * at the guard page, and the slack lies before it.
 */
#include "slab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wipe.h"

#define CANARY sizeof(uint64_t)

static uint64_t canary_at(const uint8_t *address) {
    return sm_cookie() ^ (uint64_t)(uintptr_t)address;
}

static bool is_large(const struct sm_slab *slab) {
    return slab->size_class < 0;
}

static uint8_t *slot_start(const struct sm_slab *slab, size_t index) {
    return sm_pages_span(&slab->pages, index / slab->per_span) + index % slab->per_span * (slab->slot_size + CANARY);
}

static void write_canary(uint8_t *address) {
    uint64_t canary = canary_at(address);
    memcpy(address, &canary, CANARY);
}

static void format(struct sm_slab *slab) {
    for (size_t i = 0; i < slab->slots; i++) {
        slab->slot[i].slab = slab;
        slab->slot[i].seal = sm_slot_seal(&slab->slot[i]);
        slab->slot[i].data = slot_start(slab, i);
        if (!is_large(slab)) write_canary(slab->slot[i].data + slab->slot_size);
    }
}

static struct sm_slab *leftovers;

static bool try_to_free(struct sm_slab *slab) {
    if (sm_pages_unmap(&slab->pages) != 0) return false;
    free(slab->windows);
    free(slab);
    return true;
}

const struct sm_slab *sm_slab_retry_leftovers(void) {
    struct sm_slab **link = &leftovers;
    while (*link != NULL) {
        struct sm_slab *slab = *link;
        struct sm_slab *next = slab->next;
        if (try_to_free(slab)) *link = next;
        else link = &slab->next;
    }
    return leftovers;
}

void sm_slab_forget_leftovers(void) {
    leftovers = NULL;
}

static void destroy_after_failure(struct sm_slab *slab) {
    struct sm_failure cause = *sm_failure_get();
    sm_slab_destroy(slab);
    sm_failure_set(cause.call, cause.error, cause.wanted);
}

enum sm_status sm_slab_create(struct sm_slab **out, const struct sm_layout *layout, size_t slot_size, int at_rest) {
    bool large = slot_size > SM_SLAB_MAX;
    size_t per_span = large ? 1 : layout->span_length / (slot_size + CANARY);
    size_t slots = per_span * layout->spans;
    size_t bytes = sizeof(struct sm_slab) + slots * sizeof(struct sm_slot);
    struct sm_slab *slab = calloc(1, bytes);
    struct sm_window *windows = calloc(layout->spans, sizeof *windows);
    if (slab == NULL || windows == NULL) {
        free(slab);
        free(windows);
        sm_failure_set("calloc", ENOMEM, bytes);
        return SM_NO_MEMORY;
    }
    slab->windows = windows;
    slab->slots = slots;
    slab->per_span = per_span;
    slab->slot_size = slot_size;
    slab->size_class = large ? -1 : 0;
    while ((size_t)1 << slab->step_shift < sm_pages_step(layout)) slab->step_shift++;
    sm_slab_retry_leftovers();
    enum sm_status status = sm_pages_map(&slab->pages, layout);
    if (status != SM_OK) {
        destroy_after_failure(slab);
        return status;
    }
    format(slab);
    for (size_t i = 0; i < layout->spans; i++) {
        windows[i] = (struct sm_window){.address = sm_pages_span(&slab->pages, i),
                                        .length = layout->span_length,
                                        .at_rest = (uint8_t)at_rest,
                                        .access = SM_ACCESS_WRITE};
        int error = sm_window_settle(&windows[i]);
        if (error != 0) {
            destroy_after_failure(slab);
            return sm_os_refusal(error);
        }
    }
    *out = slab;
    return SM_OK;
}

void sm_slab_destroy(struct sm_slab *slab) {
    for (size_t i = 0; i < slab->pages.layout.spans; i++) sm_window_forget(&slab->windows[i]);
    if (try_to_free(slab)) return;
    slab->next = leftovers;
    leftovers = slab;
}

struct sm_slot *sm_slab_pop(struct sm_slab *slab, size_t length) {
    struct sm_slot *slot = slab->free;
    if (slot != NULL) {
        slab->free = slot->next;
    } else if (slab->untouched < slab->slots) {
        slot = &slab->slot[slab->untouched++];
    } else {
        return NULL;
    }
    slot->state = SM_SLOT_LIVE;
    slot->length = length;
    if (is_large(slab)) slot->data = sm_pages_span(&slab->pages, 0) + slab->pages.layout.span_length - length;
    slot->frozen = false;
    slot->dirty = false;
    slot->abandoned = false;
    slab->live++;
    return slot;
}

void sm_slab_push(struct sm_slab *slab, struct sm_slot *slot) {
    slot->state = SM_SLOT_FREE;
    slot->next = slab->free;
    slab->free = slot;
    slab->live--;
}

static void check_canary(const uint8_t *address) {
    uint64_t found;
    memcpy(&found, address, CANARY);
    if (found != canary_at(address)) sm_os_abort("canary overwritten: a write ran past the edge of a secret");
}

static void check_slack(const uint8_t *start, size_t length) {
    if (!sm_is_zero(start, length)) sm_os_abort("slack overwritten: a write ran past the edge of a secret");
}

void sm_slot_check_edges(const struct sm_slot *slot) {
    const struct sm_slab *slab = slot->slab;
    const uint8_t *data = slot->data;
    if (!is_large(slab)) {
        check_canary(data + slab->slot_size);
        check_slack(data + slot->length, slab->slot_size - slot->length);
        return;
    }
    const uint8_t *start = sm_pages_span(&slab->pages, 0);
    check_slack(start, (size_t)(data - start));
}
