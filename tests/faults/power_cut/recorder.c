/* Records what a process does to the files below RECORD_FOLDER: a library for LD_PRELOAD.
 *
 * Every write, truncation, sync, creation and removal becomes one record in RECORD_LOG, appended
 * after the call has succeeded, so that the log's order is the order in which things were done:
 *
 *   kind (1 byte) | length of the path (2) | offset (8) | length of the data (4) | path | data
 *
 * The process under test is not changed in any other way: it runs its own SQLite with SQLite's own
 * VFS. Memory-mapped writes are not seen; SQLite maps only the -shm file, which no recovery reads.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FILES 4096

static char *paths[MOST_FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static int log_file = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *log_path = getenv("RECORD_LOG");
    folder = getenv("RECORD_FOLDER");
    if (log_path && folder)
        log_file = REAL(open)(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void record(char kind, const char *path, uint64_t offset, const void *data, uint32_t size) {
    uint16_t path_size = (uint16_t)strlen(path);
    char head[15];
    head[0] = kind;
    memcpy(head + 1, &path_size, 2);
    memcpy(head + 3, &offset, 8);
    memcpy(head + 11, &size, 4);
    struct iovec parts[] = {{head, sizeof head}, {(void *)path, path_size}, {(void *)data, size}};
    ssize_t whole = (ssize_t)sizeof head + path_size + size;
    if (writev(log_file, parts, 3) != whole) abort(); /* a gap would make the replay lie */
}

static int is_ours(const char *path) {
    return log_file >= 0 && path && strncmp(path, folder, strlen(folder)) == 0;
}

static const char *path_of(int file) {
    return file >= 0 && file < MOST_FILES ? paths[file] : NULL;
}

static int opened(int file, const char *path, int existed) {
    if (file < 0 || file >= MOST_FILES || !is_ours(path)) return file;
    int saved = errno;
    pthread_mutex_lock(&lock);
    free(paths[file]);
    paths[file] = strdup(path);
    if (!existed) record('C', path, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return file;
}

#define OPEN(name)                                                                     \
    int name(const char *path, int flags, ...) {                                       \
        mode_t mode = 0;                                                               \
        if (flags & (O_CREAT | O_TMPFILE)) {                                           \
            va_list more;                                                              \
            va_start(more, flags);                                                     \
            mode = va_arg(more, mode_t);                                               \
            va_end(more);                                                              \
        }                                                                              \
        int existed = !is_ours(path) || access(path, F_OK) == 0;                       \
        return opened(REAL(name)(path, flags, mode), path, existed);                   \
    }
OPEN(open)
OPEN(open64)

int close(int file) {
    pthread_mutex_lock(&lock);
    if (path_of(file)) {
        free(paths[file]);
        paths[file] = NULL;
    }
    pthread_mutex_unlock(&lock);
    return REAL(close)(file);
}

static void done(char kind, int file, uint64_t offset, const void *data, ssize_t size) {
    const char *path = path_of(file);
    if (!path || size < 0) return;
    int saved = errno;
    pthread_mutex_lock(&lock);
    record(kind, path, offset, data, (uint32_t)size);
    pthread_mutex_unlock(&lock);
    errno = saved;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
    ssize_t written = REAL(pwrite)(file, data, size, offset);
    done('W', file, (uint64_t)offset, data, written);
    return written;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    ssize_t written = REAL(pwrite64)(file, data, size, offset);
    done('W', file, (uint64_t)offset, data, written);
    return written;
}

ssize_t write(int file, const void *data, size_t size) {
    off_t offset = path_of(file) ? lseek(file, 0, SEEK_CUR) : 0;
    ssize_t written = REAL(write)(file, data, size);
    done('W', file, (uint64_t)offset, data, written);
    return written;
}

int ftruncate(int file, off_t size) {
    int failed = REAL(ftruncate)(file, size);
    done('T', file, (uint64_t)size, NULL, failed ? -1 : 0);
    return failed;
}

int ftruncate64(int file, off64_t size) {
    int failed = REAL(ftruncate64)(file, size);
    done('T', file, (uint64_t)size, NULL, failed ? -1 : 0);
    return failed;
}

int fsync(int file) {
    int failed = REAL(fsync)(file);
    done('S', file, 0, NULL, failed ? -1 : 0);
    return failed;
}

int fdatasync(int file) {
    int failed = REAL(fdatasync)(file);
    done('S', file, 0, NULL, failed ? -1 : 0);
    return failed;
}

int unlink(const char *path) {
    int failed = REAL(unlink)(path);
    if (!failed && is_ours(path)) {
        pthread_mutex_lock(&lock);
        record('U', path, 0, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return failed;
}
