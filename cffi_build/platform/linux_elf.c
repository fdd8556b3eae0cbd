/* linux_elf.c: the verbs of objects.h on Linux.
 *
 * Sources: dlopen(3), dlsym(3), dl_iterate_phdr(3), elf(5).
 */
#include "objects.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <string.h>

#include "os.h"

struct search {
    uintptr_t address;
    struct sm_object *out;
};

static uintptr_t rounded_down(uintptr_t address) {
    return address & ~((uintptr_t)sm_os_page_size() - 1);
}

/* The loader makes the pages read-only that lie wholly below the end, and rounds both ends down. */
static void read_header(struct sm_object *out, const ElfW(Phdr) *header) {
    uintptr_t start = out->base + header->p_vaddr;
    uintptr_t end = start + header->p_memsz;
    if (header->p_type == PT_DYNAMIC) out->dynamic = (const void *)start;
    if (header->p_type == PT_GNU_RELRO) {
        out->relro_start = rounded_down(start);
        out->relro_end = rounded_down(end);
    }
    if (header->p_type != PT_LOAD) return;
    if (out->end == 0 || start < out->start) out->start = start;
    if (end > out->end) out->end = end;
}

static int visit(struct dl_phdr_info *info, size_t size, void *context) {
    const struct search *search = context;
    struct sm_object object = {.base = info->dlpi_addr, .headers = info->dlpi_phdr, .headers_count = info->dlpi_phnum};
    (void)size;
    for (size_t i = 0; i < object.headers_count; i++) read_header(&object, &info->dlpi_phdr[i]);
    if (search->address < object.start || search->address >= object.end) return 0;
    *search->out = object;
    return 1;
}

bool sm_os_object_of(struct sm_object *out, uintptr_t address) {
    struct search search = {.address = address, .out = out};
    return address != 0 && dl_iterate_phdr(visit, &search) != 0;
}

int sm_os_object_find(struct sm_object *out, const char *path, const char *symbol) {
    void *handle = dlopen(path, RTLD_NOLOAD | RTLD_LAZY);
    if (handle == NULL) return sm_os_note("dlopen", ENOENT, 0);
    void *address = dlsym(handle, symbol);
    if (address != NULL && sm_os_object_of(out, (uintptr_t)address) && out->dynamic != NULL) return 0; /* the handle keeps it loaded */
    dlclose(handle);
    return sm_os_note("dlsym", ESRCH, 0);
}

bool sm_os_object_may_write(const struct sm_object *object, const void *address) {
    const ElfW(Phdr) *headers = object->headers;
    uintptr_t place = (uintptr_t)address - object->base;
    for (size_t i = 0; i < object->headers_count; i++) {
        if (headers[i].p_type != PT_LOAD || !(headers[i].p_flags & PF_W)) continue;
        if (place >= headers[i].p_vaddr && place - headers[i].p_vaddr < headers[i].p_memsz) return true;
    }
    return false;
}

static sm_function *as_function(void *address) {
    sm_function *function;
    memcpy(&function, &address, sizeof function);
    return function;
}

sm_function *sm_os_symbol(const char *name) {
    return as_function(dlsym(RTLD_DEFAULT, name));
}

sm_function *sm_os_c_library_symbol(const char *name) {
    void *handle = dlopen("libc.so.6", RTLD_NOLOAD | RTLD_LAZY);
    void *address = handle == NULL ? NULL : dlsym(handle, name);
    if (handle != NULL) dlclose(handle); /* it stays: this process runs on it */
    return as_function(address);
}

static int visit_for_musl(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    (void)context;
    return info->dlpi_name != NULL && strstr(info->dlpi_name, "ld-musl-") != NULL;
}

bool sm_os_c_library_is_known(void) {
    return sm_os_symbol("gnu_get_libc_version") != NULL || dl_iterate_phdr(visit_for_musl, NULL) != 0;
}

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;
static void (*ending)(void *argument);

static void make_key(void) {
    key_error = pthread_key_create(&key, ending);
}

int sm_os_at_thread_end(void (*end)(void *argument), void *argument) {
    ending = end;
    pthread_once(&key_once, make_key);
    int error = key_error != 0 ? key_error : pthread_setspecific(key, argument);
    return error == 0 ? 0 : sm_os_note("pthread_key_create", error, 0);
}
