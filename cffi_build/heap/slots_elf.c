/* slots_elf.c: import slots in ELF objects.
 *
 * A dynamic object lists its slots in relocation tables (DT_RELA or DT_REL for
 * data, DT_JMPREL for calls).  One symbol may have one of each.  After loading,
 * most lie in pages made read-only (PT_GNU_RELRO), which are made writable for
 * the time of the writing.
 *
 * Source: System V ABI, gABI chapter 5 and the processor supplements; elf(5).
 */
#include "slots.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "entries.h"
#include "objects.h"
#include "os.h"

#if defined(__x86_64__)
#define TYPE(info) ELF64_R_TYPE(info)
#define SYMBOL(info) ELF64_R_SYM(info)
static const uint64_t kinds[] = {R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT, R_X86_64_64};
#elif defined(__aarch64__)
#define TYPE(info) ELF64_R_TYPE(info)
#define SYMBOL(info) ELF64_R_SYM(info)
static const uint64_t kinds[] = {R_AARCH64_JUMP_SLOT, R_AARCH64_GLOB_DAT, R_AARCH64_ABS64};
#else
#error "the relocation types of this machine are not known here"
#endif

struct tables {
    const ElfW(Sym) *symbols;
    const char *names;
    uintptr_t relocations[2]; /* for data, for calls */
    size_t lengths[2];
    bool with_addend[2];
};

/* glibc adds the base to the addresses in the dynamic section, musl does not. */
static uintptr_t located(const struct sm_object *object, uintptr_t value) {
    return value < object->base ? value + object->base : value;
}

static bool read_tables(struct tables *out, const struct sm_object *object) {
    uintptr_t data[2] = {0, 0}; /* DT_RELA, DT_REL */
    size_t lengths[2] = {0, 0};
    memset(out, 0, sizeof *out);
    for (const ElfW(Dyn) *entry = object->dynamic; entry->d_tag != DT_NULL; entry++) {
        uintptr_t value = entry->d_un.d_val;
        switch (entry->d_tag) {
        case DT_SYMTAB: out->symbols = (const void *)located(object, value); break;
        case DT_STRTAB: out->names = (const void *)located(object, value); break;
        case DT_RELA: data[0] = located(object, value); break;
        case DT_RELASZ: lengths[0] = value; break;
        case DT_REL: data[1] = located(object, value); break;
        case DT_RELSZ: lengths[1] = value; break;
        case DT_JMPREL: out->relocations[1] = located(object, value); break;
        case DT_PLTRELSZ: out->lengths[1] = value; break;
        case DT_PLTREL: out->with_addend[1] = value == DT_RELA; break;
        default: break;
        }
    }
    out->with_addend[0] = data[0] != 0;
    out->relocations[0] = out->with_addend[0] ? data[0] : data[1];
    out->lengths[0] = out->with_addend[0] ? lengths[0] : lengths[1];
    return out->symbols != NULL && out->names != NULL && !(data[0] != 0 && data[1] != 0);
}

static bool found[SM_ENTRIES]; /* which entries the object has slots for */

bool sm_slots_found(size_t entry) {
    return found[entry];
}

static bool is_slot(uint64_t type) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i] == type) return true;
    }
    return false;
}

static size_t entry_of(const char *name) {
    for (size_t i = 0; i < SM_ENTRIES; i++) {
        if (strcmp(sm_entries[i].name, name) == 0) return i;
    }
    return SM_ENTRIES;
}

/* Whether an object calls another one's function of that name. */
static bool calls(const struct sm_object *object, const char *name) {
    struct tables tables;
    if (object->dynamic == NULL || !read_tables(&tables, object)) return false;
    for (int which = 0; which < 2; which++) {
        size_t size = tables.with_addend[which] ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel));
        for (size_t at = 0; at + size <= tables.lengths[which]; at += size) {
            ElfW(Rel) relocation;
            memcpy(&relocation, (const void *)(tables.relocations[which] + at), sizeof relocation);
            const ElfW(Sym) *symbol = &tables.symbols[SYMBOL(relocation.r_info)];
            if (symbol->st_shndx == SHN_UNDEF && strcmp(tables.names + symbol->st_name, name) == 0) return true;
        }
    }
    return false;
}

/* The function itself.  In a program of fixed addresses (no PIE, as Debian's Python
 * is) the address of a function is that of the program's own jump to it. */
static sm_function *function_of(const char *name) {
    sm_function *seen = sm_os_symbol(name);
    struct sm_object object;
    bool is_jump = sm_os_object_of(&object, (uintptr_t)seen) && calls(&object, name);
    return is_jump ? sm_os_c_library_symbol(name) : seen;
}

/* Whether a slot still leads where the loader led it: to the symbol, or, not
 * yet bound, back into the object.  It may lead to ours already. */
static bool is_untouched(const struct sm_object *object, sm_function *value, const char *name) {
    return value == sm_os_symbol(name) || value == function_of(name) || ((uintptr_t)value >= object->start && (uintptr_t)value < object->end);
}

static enum sm_slots_answer plan_slot(const struct sm_object *object, sm_function **address, size_t entry) {
    if (!sm_os_object_may_write(object, address)) return SM_SLOTS_FORMAT;
    if (sm_slots_has(address)) return SM_SLOTS_OK;
    if (!is_untouched(object, *address, sm_entries[entry].name)) return SM_SLOTS_TAKEN;
    uintptr_t page = (uintptr_t)address & ~((uintptr_t)sm_os_page_size() - 1);
    bool is_protected = page >= object->relro_start && page < object->relro_end;
    return sm_slots_add(address, entry, is_protected ? page : 0) ? SM_SLOTS_OK : SM_SLOTS_FULL;
}

static enum sm_slots_answer plan_table(const struct sm_object *object, const struct tables *tables, int which) {
    size_t size = tables->with_addend[which] ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel));
    for (size_t at = 0; at + size <= tables->lengths[which]; at += size) {
        ElfW(Rela) relocation = {0};
        memcpy(&relocation, (const void *)(tables->relocations[which] + at), size);
        if (!is_slot(TYPE(relocation.r_info)) || relocation.r_addend != 0) continue;
        const ElfW(Sym) *symbol = &tables->symbols[SYMBOL(relocation.r_info)];
        size_t entry = symbol->st_shndx == SHN_UNDEF ? entry_of(tables->names + symbol->st_name) : SM_ENTRIES;
        if (entry == SM_ENTRIES) continue;
        found[entry] = true;
        sm_slots_set_name(sm_entries[entry].name);
        enum sm_slots_answer answer = plan_slot(object, (sm_function **)(object->base + relocation.r_offset), entry);
        if (answer != SM_SLOTS_OK) return answer;
    }
    return SM_SLOTS_OK;
}

/* The functions that take blocks back must be of the library that gives them. */
static bool allocator_is_known(void) {
    static const char *const names[] = {"malloc", "calloc", "realloc", "free", "posix_memalign", "malloc_usable_size"};
    struct sm_object one;
    struct sm_object other;
    if (!sm_os_c_library_is_known()) return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        sm_slots_set_name(names[i]);
        if (!sm_os_object_of(i == 0 ? &one : &other, (uintptr_t)function_of(names[i]))) return false;
        if (i > 0 && one.base != other.base) return false;
    }
    return true;
}

/* What an object is given by redirected functions, it must give back by one. */
static enum sm_slots_answer check_found(void) {
    bool gives = false;
    for (size_t i = 0; i < SM_ENTRIES; i++) gives = gives || (sm_entries[i].gives && found[i]);
    for (size_t i = 0; i < SM_ENTRIES; i++) {
        if (!gives || !sm_entries[i].takes || found[i]) continue;
        sm_slots_set_name(sm_entries[i].name);
        return SM_SLOTS_MISSING;
    }
    return SM_SLOTS_OK;
}

enum sm_slots_answer sm_slots_plan(const char *path, const char *symbol) {
    struct sm_object object;
    struct tables tables;
    memset(found, 0, sizeof found);
    if (!allocator_is_known()) return SM_SLOTS_LIBRARY;
    sm_slots_set_name(NULL);
    int error = sm_os_object_find(&object, path, symbol);
    if (error != 0) return error == ENOENT ? SM_SLOTS_NOT_LOADED : SM_SLOTS_STATIC;
    if (!read_tables(&tables, &object)) return SM_SLOTS_FORMAT;
    for (int which = 0; which < 2; which++) {
        enum sm_slots_answer answer = plan_table(&object, &tables, which);
        if (answer != SM_SLOTS_OK) return answer;
    }
    return check_found();
}
