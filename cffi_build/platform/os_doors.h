/* os_doors.h: what the doors ask of the operating system; the rules are those
 * of os.h.  linux_doors.c has files, linux_terminal.c terminals.
 */
#ifndef SM_OS_DOORS_H
#define SM_OS_DOORS_H

#include "os.h"

/* -- files -- */

struct sm_file {
    uint64_t size;
    unsigned mode; /* permissions: the lower nine bits */
    unsigned owner;
    bool is_regular, is_folder, is_pipe, is_socket;
    bool is_readable; /* it was opened for reading */
    bool is_own; /* owned by this process's user, or by root */
};

/* For reading; it waits for nobody, a FIFO's writer or a device. */
int sm_os_open_input(int *out, const char *path);
int sm_os_file_look(struct sm_file *out, int file);
/* One call each; EINTR and EAGAIN are answers like others. */
int sm_os_read(size_t *got, int file, void *out, size_t length);
int sm_os_write(size_t *done, int file, const void *data, size_t length);
/* Waits until it can be read from or written to, or has ended; ETIMEDOUT, EINTR. */
int sm_os_wait(int file, bool writing, int milliseconds);

/* Where the kernel put the environment at the program's start. */
int sm_os_environment(uintptr_t *start, uintptr_t *end);

/* -- files that are only in memory -- */

/* One of this length, mode 0400, closed over exec. */
int sm_os_memory_file(int *out, size_t length);
int sm_os_map_file(void **out, int file, size_t length, bool writable);
/* From now on nobody opens or maps it for writing, or changes its length or its seals. */
int sm_os_seal(int file);
int sm_os_sealed(bool *out, int file);
/* Through a Unix socket, with one byte of data; -1: what came was no descriptor. */
int sm_os_send_file(int socket, int file);
int sm_os_receive_file(int *out, int socket);

/* -- a terminal, one at a time -- */

struct sm_keys {
    uint8_t erase, kill, erase_word, end; /* 0: none */
};

/* The controlling terminal; ENXIO where there is none. */
int sm_os_terminal_open(int *out);
bool sm_os_is_terminal(int file);
/* Stops echo and line editing until sm_os_terminal_end.  Every signal that would
 * end or stop the process first gives the terminal back.  EBUSY: it is begun. */
int sm_os_terminal_begin(struct sm_keys *out, int file);
/* Stops the echo again where something brought it back: after a stop, by a
 * shell.  *out tells whether that was so. */
int sm_os_terminal_renew(bool *out);
int sm_os_terminal_end(void);

#endif
