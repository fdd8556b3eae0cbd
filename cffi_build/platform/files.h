/* files.h: the calls on files that a transfer makes; linux_files.c has them.
 *
 * Each verb returns 0 or an errno value.  Descriptors are closed on exec.
 * A place is a name in an open directory.
 */
#ifndef SM_FILES_H
#define SM_FILES_H

#include "words.h"

/* For reading, as a whole file or a pipe. */
int sm_os_file_open(int *out, const char *path);
/* A directory, to name places in: it need not be readable. */
int sm_os_directory_open(int *out, const char *path);
/* A new file of mode 0600 for writing; EEXIST where the name is taken. */
int sm_os_place_create(int *out, int directory, const char *name);
int sm_os_place_rename(int directory, const char *from, const char *to);
int sm_os_place_unlink(int directory, const char *name);
/* *count may be less than length; 0 is the end. */
int sm_os_file_read(size_t *count, int file, void *buffer, size_t length);
int sm_os_file_write(size_t *count, int file, const void *buffer, size_t length);
/* On the disk when it returns. */
int sm_os_file_sync(int file);
/* The same of a directory's names; 0 too where it may not be read, and so not be synced. */
int sm_os_directory_sync(int directory);
void sm_os_file_close(int file);

#endif
