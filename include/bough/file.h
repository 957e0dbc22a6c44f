/* Files and directories.
 *
 *     static int copy_config(void *arg)
 *     {
 *         struct bough_file *f;
 *         char *text;
 *         size_t size;
 *         int rc = bough_file_read_all("/etc/demo.conf", 1 << 20, &text, &size);
 *         if (rc < 0)
 *             return rc;
 *         rc = bough_file_open("demo.conf.new", O_WRONLY | O_CREAT | O_TRUNC, 0644, &f);
 *         if (rc == 0) {
 *             rc = bough_file_write_all(f, text, size);
 *             if (rc == 0)
 *                 rc = bough_file_sync(f);
 *             rc = bough_keep(rc, bough_file_close(f));
 *             bough_file_free(f);
 *         }
 *         if (rc == 0)
 *             rc = bough_path_rename("demo.conf.new", "demo.conf");
 *         free(text);
 *         return rc;
 *     }
 *
 * A disk is never "ready": a call either finds in memory what it needs, or blocks. So a read first
 * asks for what is in the system's cache, which costs a system call and no more; all else is done
 * by the driver, if it can (io_uring), or in a worker thread (bough/thread.h; their number is
 * limited), while the task waits and the others run.
 *
 * Each call is a checkpoint, but where it says that it does not block. Cancelled before it begins:
 * -ECANCELED, and nothing has happened. A thread cannot be called back, though, nor can a disk:
 * cancelled later, the call waits until it is done (which the disk decides, or the server behind
 * it), and what has happened is what it returns. The next checkpoint fails. (io_uring can take back
 * what still waits for others, as for the other end of a pipe: -ECANCELED, and nothing has
 * happened.) Other results < 0 are the system's errors, with the path in the detail; -EAGAIN: no
 * thread to be had.
 *
 * A file may be used by several tasks at once, as by several threads: give positions then.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "bough/manager.h"
#include "bough/stream.h"

BOUGH_BEGIN_DECLS

struct bough_file;

/* --- opening and closing --- */

/* open(2); the descriptor is close-on-exec. 'mode' counts if the file is created. */
BOUGH_MUST_CHECK int bough_file_open(const char *path, int flags, unsigned mode,
                                     struct bough_file **ret_file);

/* Take a descriptor over, of a regular file: it is closed with it. Does not block. 0; -EBADF: it
 * is not open; -ENOMEM: it is still yours. */
BOUGH_MUST_CHECK int bough_file_adopt(int fd, struct bough_file **ret_file);

/* The descriptor; -1: closed. It stays the file's. */
int bough_file_fd(const struct bough_file *f);

/* Close it: on every path, also when cancelled, and it waits for that. Every later call is -EBADF;
 * one that is under way goes on, and the last of them closes. 0; -EIO, -EDQUOT and the like:
 * something that was written before has not got to the disk. Again: 0. */
BOUGH_MUST_CHECK int bough_file_close(struct bough_file *f);

/* Close it if it is not yet, without waiting or asking whether it went well, and free it; calls
 * that are under way still end well. NULL is fine. Does not block. (A file that was written to is
 * better closed first.) */
void bough_file_free(struct bough_file *f);

/* --- reading and writing --- */

/* Read up to 'size' bytes, at the file's position, which moves on, or at 'offset'. The number of
 * bytes, fewer only before the end (or if a signal or an error came after some): so of a pipe it
 * waits for all of them (bough_fd_stream_open() does not); 0: the end. At an offset, here and
 * below, -ESPIPE: it has no positions, such as a pipe. */
BOUGH_MUST_CHECK int bough_file_read(struct bough_file *f, void *ret_data, size_t size);
BOUGH_MUST_CHECK int bough_file_pread(struct bough_file *f, void *ret_data, size_t size,
                                      int64_t offset);

/* Write up to 'size' bytes; the number that were written, fewer if the disk is full or the like;
 * the next call tells. */
BOUGH_MUST_CHECK int bough_file_write(struct bough_file *f, const void *data, size_t size);
BOUGH_MUST_CHECK int bough_file_pwrite(struct bough_file *f, const void *data, size_t size,
                                       int64_t offset);

/* Write all of it at the position. 0; < 0: some of it may have been written. Cancelled, it stops
 * between two writes. */
BOUGH_MUST_CHECK int bough_file_write_all(struct bough_file *f, const void *data, size_t size);

/* Move the position: lseek(2). The new one, or < 0. Does not block, and is no checkpoint. */
BOUGH_MUST_CHECK int64_t bough_file_seek(struct bough_file *f, int64_t offset, int whence);

/* --- the file itself --- */

/* To the disk with what was written: fsync(2); data_only: fdatasync(2). */
BOUGH_MUST_CHECK int bough_file_sync(struct bough_file *f);
BOUGH_MUST_CHECK int bough_file_sync_data(struct bough_file *f);
BOUGH_MUST_CHECK int bough_file_truncate(struct bough_file *f, int64_t size);
BOUGH_MUST_CHECK int bough_file_stat(struct bough_file *f, struct stat *ret_stat);

/* --- whole files --- */

/* All of a file, with a NUL behind it, in memory that is yours to free(); 'ret_size' may be NULL.
 * 0; -EFBIG: more than 'limit' bytes (0: no limit); -ENOMEM. */
BOUGH_MUST_CHECK int bough_file_read_all(const char *path, size_t limit, char **ret_data,
                                         size_t *ret_size);

/* --- streams --- */

/* A file as a stream: receives from its position on, to the end; sends write there. Positions are
 * the stream's own, one for each direction, which both begin at 0 (or, if the file was opened with
 * O_APPEND, sends append). send_eof is -ENOTSUP. The file is the stream's, closed and freed with
 * it, also when this fails. Does not block. 0, -ENOMEM. */
BOUGH_MUST_CHECK int bough_file_stream_open(struct bough_file *f, struct bough_stream **ret_stream);

/* --- names --- */

BOUGH_MUST_CHECK int bough_path_stat(const char *path, struct stat *ret_stat);  /* follows links */
BOUGH_MUST_CHECK int bough_path_lstat(const char *path, struct stat *ret_stat); /* does not */
BOUGH_MUST_CHECK int bough_path_rename(const char *from, const char *to);       /* replaces 'to' */
BOUGH_MUST_CHECK int bough_path_unlink(const char *path);
BOUGH_MUST_CHECK int bough_path_mkdir(const char *path, unsigned mode);
BOUGH_MUST_CHECK int bough_path_rmdir(const char *path);

/* The directory or file and all that is in it; links are removed, not followed. Not to be there is
 * fine: 0. Cancelled, it stops: some of it is gone. */
BOUGH_MUST_CHECK int bough_path_remove_all(const char *path);

/* --- directories --- */

struct bough_directory_entry {
    const char *name;   /* without the directory; never "." or ".." */
    unsigned char type; /* DT_REG, DT_DIR, ... of <dirent.h>; DT_UNKNOWN on some file systems */
    uint64_t inode;
};

/* What is in a directory, in no order. One block of memory: free() it. *ret_count entries. */
BOUGH_MUST_CHECK int bough_directory_read(const char *path,
                                          struct bough_directory_entry **ret_entries,
                                          size_t *ret_count);

/* --- for a while --- */

/* Managers (bough/manager.h). A directory of a name of its own, removed with all that is in it when
 * the block ends, however it does; its value is the path. 'arg': in which directory, a const char
 * *; NULL: TMPDIR, or /tmp.
 *
 *     bough_with (const char *, path, bough_temporary_directory, NULL, &rc)
 *         rc = unpack(archive, path);
 *
 * And a file that has no name at all (or loses it at once), gone when the block ends; its value is
 * a struct bough_file *, open for reading and writing. */
int bough_temporary_directory(struct bough_manager *self, void *arg);
int bough_temporary_file(struct bough_manager *self, void *arg);

BOUGH_END_DECLS
