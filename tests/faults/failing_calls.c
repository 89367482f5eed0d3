/* Calls of the system that fail once, for LD_PRELOAD: those of Python and those of libav alike.

   arm("lseek", 3, EIO, "/run/") lets the third lseek fail that is on a file with these words in its path, and 0 each of them; passed() says how many there
   were. FAILING_CALL="lseek 3 5 /run/" in the environment does the same from the beginning. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char armed[16], where[1024];
static long due, seen;
static int code;

void arm(const char *call, long number, int error, const char *words)
{
    snprintf(where, sizeof where, "%s", words);
    due = number, code = error;
    __atomic_store_n(&seen, 0, __ATOMIC_SEQ_CST);
    snprintf(armed, sizeof armed, "%s", call);
}

long passed(void) { return __atomic_load_n(&seen, __ATOMIC_SEQ_CST); }

__attribute__((constructor)) static void begin(void)
{
    const char *told = getenv("FAILING_CALL");
    char call[16], words[1024];
    long number;
    int error;

    if (told && sscanf(told, "%15s %ld %d %1023s", call, &number, &error, words) == 4)
        arm(call, number, error, words);
}

static int fails(const char *call, const char *path)
{
    if (strcmp(call, armed) || !path || !strstr(path, where))
        return 0;
    if (__atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST) != due && due)
        return 0;
    errno = code;
    return 1;
}

static int fails_on(const char *call, int file)
{
    char link[32], path[1024];
    int before = errno;
    ssize_t length;

    if (strcmp(call, armed))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0)
        return 0;
    path[length] = 0;
    return fails(call, path);
}

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

#define ON_FILE(type, name, call, given, ...) \
    type name given { return fails_on(call, file) ? -1 : ((type (*) given)dlsym(RTLD_NEXT, #name))(__VA_ARGS__); }

ON_FILE(off_t, lseek, "lseek", (int file, off_t to, int from), file, to, from)
ON_FILE(off_t, lseek64, "lseek", (int file, off_t to, int from), file, to, from)
ON_FILE(ssize_t, read, "read", (int file, void *data, size_t size), file, data, size)
ON_FILE(ssize_t, pread, "read", (int file, void *data, size_t size, off_t at), file, data, size, at)
ON_FILE(ssize_t, pread64, "read", (int file, void *data, size_t size, off_t at), file, data, size, at)
ON_FILE(ssize_t, write, "write", (int file, const void *data, size_t size), file, data, size)
ON_FILE(ssize_t, pwrite, "write", (int file, const void *data, size_t size, off_t at), file, data, size, at)
ON_FILE(ssize_t, pwrite64, "write", (int file, const void *data, size_t size, off_t at), file, data, size, at)
ON_FILE(int, fsync, "fsync", (int file), file)

int close(int file)
{
    int failing = fails_on("close", file), error = errno;
    int done = REAL(int, "close", int)(file);

    errno = failing ? error : errno; /* it is closed all the same, as Linux does */
    return failing ? -1 : done;
}

int rename(const char *from, const char *to)
{
    return fails("rename", from) ? -1 : REAL(int, "rename", const char *, const char *)(from, to);
}

int renameat(int there, const char *from, int here, const char *to)
{
    return fails("rename", from) ? -1 : REAL(int, "renameat", int, const char *, int, const char *)(there, from, here, to);
}

static int opened(const char *name, const char *path, int flags, mode_t mode)
{
    return fails("open", path) ? -1 : REAL(int, name, const char *, int, ...)(path, flags, mode);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        va_list rest; \
        mode_t mode; \
        va_start(rest, flags); \
        mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return opened(#name, path, flags, mode); \
    }

OPEN(open)
OPEN(open64)
