/* The recorder: events into a file that is mapped into memory. Its format is docs/recording.md.
 *
 * How a recording survives anything: the file is a shared mapping, so what was stored is the kernel's to keep, whatever
 * becomes of the process. A record is filled in first, and then its last word (kind and worker) is stored with release
 * order: that store commits it. A record with kind 0 was never committed, and readers skip it.
 *
 * How threads stay out of each other's way: the file is cut into chunks, given out by one atomic add. A thread writes
 * into a run of records that is its own, through a cursor that no other thread sees. Its first runs are short (there
 * may be 10,000 threads) and cut from a chunk that is shared; later each run is a whole chunk. What a thread has not
 * used when it ends goes to the next new thread.
 *
 * How signal handlers may record: a thread has a cursor for each level of nesting. A handler that interrupts trace_emit
 * finds `depth` raised and uses the next cursor, so it never meets the half-written record. */
#define _GNU_SOURCE
#include "trace.h"

#ifndef TRACE_OFF

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined __x86_64__
#include <cpuid.h>
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

enum {
    PAGE = 4096,
    CHUNK_SIZE = 64 * 1024,
    CHUNK_RECORDS = CHUNK_SIZE / 32 - 1, /* the first 32 bytes are the chunk's header */
    CHUNK_MAGIC = 0x4b4e4843,
    FIRST_RUN = 32,     /* records; each later run is 4 times as long, up to a whole chunk */
    NESTING = 3,        /* trace_emit, a signal handler inside it, another one inside that */
    WARM_AT_START = 16, /* chunks made ready before main */
    FLAG_ENDED = 1,
    FLAG_COUNTER = 2,
};

static const uint64_t DEFAULT_LIMIT = 64 << 20;

struct header {
    _Atomic uint64_t magic;
    uint32_t byte_order, version, record_size, chunk_size;
    uint64_t sites_offset;
    uint32_t site_count, pid;
    uint64_t strings_offset, strings_size, chunks_offset, chunk_limit;
    _Atomic uint64_t chunks_taken, dropped;
    uint32_t flags, reserved;
    uint64_t start_ticks, start_ns, end_ticks, end_ns, ns_per_tick, start_unix_ns;
    char program[64];
    _Atomic uint64_t first_dropped;
};

struct file_site {
    uint32_t file, function, label, line;
};

struct chunk_header {
    uint32_t magic, zero[7];
};

union commit_word { /* the last word of a record: written as one */
    struct {
        uint16_t kind, worker;
    };
    uint32_t word;
};

struct record {
    uint64_t ticks, b;
    uint32_t task, a;
    uint16_t site, thread;
    _Atomic uint32_t commit;
};

_Static_assert(sizeof(struct header) == 216 && sizeof(struct record) == 32, "docs/recording.md");

struct moment { /* the same instant on both clocks */
    uint64_t ticks, ns;
};

/* The recording of this process. All but `header` is written while there is one thread, or under `lock`. */
static struct {
    char *path;     /* room for PATH_MAX; allocated, as most programs do not record */
    uint64_t limit; /* bytes */
    bool counter;   /* ticks are the processor's counter, else nanoseconds */
    uint64_t ns_per_tick;
    uint64_t chunk_limit;
    unsigned char *chunks;
    dev_t device; /* the file's identity: something else may bear its name by the time we are done */
    ino_t inode;
    bool failed; /* a forked child could not open its own */
    pthread_key_t at_thread_end;
    _Atomic uint32_t threads;
    /* Stored with release order once the file is complete; acquire loads of it see the fields above. */
    struct header *_Atomic header;
} rec;

struct cursor { /* the records [next, end) are this thread's to fill */
    struct record *next, *end;
};

/* Guards the next two, and the opening of a forked child's file. Whoever holds it has me.depth > 0, so a signal handler
 * knows not to ask for it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The rest of the chunk that short runs are cut from. */
static struct cursor shared;

/* Runs that wait for a new thread. The list lives in the runs: the first record of each holds the length in `a` and the
 * next run in `b`; its kind is 0, so no reader takes it for an event. */
static struct record *free_runs;

static _Thread_local struct {
    struct cursor cursors[NESTING];
    uint32_t task;  /* that it polls, 0: none */
    unsigned depth; /* cursors in use. A handler leaves it as it found it, so ++ and -- need not be atomic */
    uint32_t run;   /* length of the last run it got */
    uint16_t thread, worker;
    bool introduced; /* its THREAD event is written */
    const struct site *name;
} me;

/* In .data, where the loader has to write anyway: a program that does not record then has no page for the recorder. */
bool trace_on __attribute__((section(".data")));

/* Sections named like a C identifier get these two from the linker; weak, for a program without a single site. */
extern const struct site __start_trace_sites[] __attribute__((weak));
extern const struct site __stop_trace_sites[] __attribute__((weak));

/* ---- clocks ---- */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t trace_now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* The counter is read in order: without the barrier the processor may read it before an earlier load is done, and an
 * event could bear an earlier time than the one it answers. */
static inline uint64_t ticks_now(void)
{
#if defined __x86_64__
    if (__builtin_expect(rec.counter, 1)) {
        __builtin_ia32_lfence();
        return __builtin_ia32_rdtsc();
    }
#elif defined __aarch64__
    uint64_t ticks;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks)::"memory");
    return ticks;
#endif
    return trace_now();
}

#if defined __x86_64__
/* Is the counter fit to be a clock: steady, and the same on all processors? The processor says whether it is steady;
 * that the kernel takes its own time from it says that it is the same everywhere. */
static bool counter_usable(void)
{
    unsigned a, b, c, d = 0;
    char name[32] = "";

    if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & 1 << 8))
        return false;
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t got = read(fd, name, sizeof name - 1);
    close(fd);
    return got > 0 && (!strcmp(name, "tsc\n") || !strcmp(name, "kvm-clock\n"));
}
#elif defined __aarch64__
static bool counter_usable(void)
{
    return true; /* the architecture promises it */
}
#else
static bool counter_usable(void)
{
    return false;
}
#endif

/* Reads both clocks a few times and keeps the pair that was read in the least time. */
static struct moment moment_now(void)
{
    struct moment best = {0, 0};
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < 8; i++) {
        uint64_t before = ticks_now();
        uint64_t ns = trace_now();
        uint64_t after = ticks_now();
        if (after - before < least) {
            least = after - before;
            best = (struct moment){before + least / 2, ns};
        }
    }
    return best;
}

/* Half a millisecond tells the counter's rate to about 50 parts in a million. An orderly end gives a better one. */
static uint64_t ns_per_tick_measured(void)
{
    if (!rec.counter)
        return (uint64_t)1 << 32;
    struct moment start = moment_now();
    while (trace_now() - start.ns < 500000)
        ;
    struct moment end = moment_now();
    return ((end.ns - start.ns) << 32) / (end.ticks - start.ticks);
}

/* ---- opening the file ---- */

static size_t site_count(void)
{
    size_t count = __start_trace_sites ? (size_t)(__stop_trace_sites - __start_trace_sites) : 0;
    return count < UINT16_MAX ? count : UINT16_MAX;
}

static uint64_t round_up(uint64_t size, uint64_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static size_t strings_size(void)
{
    size_t size = 1; /* offset 0 is the empty string */
    for (size_t i = 0; i < site_count(); i++) {
        const struct site *s = &__start_trace_sites[i];
        size += strlen(s->file) + strlen(s->function) + strlen(s->label) + 3;
    }
    return size;
}

static uint32_t string_put(char *strings, size_t *used, const char *text)
{
    size_t at = *used;
    size_t size = strlen(text) + 1;
    memcpy(strings + at, text, size);
    *used += size;
    return (uint32_t)at;
}

static void sites_put(unsigned char *map, const struct header *h)
{
    struct file_site *out = (struct file_site *)(map + h->sites_offset);
    char *strings = (char *)map + h->strings_offset;
    size_t used = 1;

    for (size_t i = 0; i < h->site_count; i++) {
        const struct site *s = &__start_trace_sites[i];
        out[i].file = string_put(strings, &used, s->file);
        out[i].function = string_put(strings, &used, s->function);
        out[i].label = string_put(strings, &used, s->label);
        out[i].line = s->line;
    }
}

/* Everything that the header says before the first event, but for the magic. */
static struct header header_made(void)
{
    struct moment start = moment_now();
    struct header h = {
        .byte_order = 0x01020304,
        .version = 1,
        .record_size = sizeof(struct record),
        .chunk_size = CHUNK_SIZE,
        .sites_offset = PAGE,
        .site_count = (uint32_t)site_count(),
        .pid = (uint32_t)getpid(),
        .strings_size = strings_size(),
        .flags = rec.counter ? FLAG_COUNTER : 0,
        .start_ticks = start.ticks,
        .start_ns = start.ns,
        .ns_per_tick = rec.ns_per_tick,
        .start_unix_ns = clock_ns(CLOCK_REALTIME),
    };
    h.strings_offset = h.sites_offset + h.site_count * sizeof(struct file_site);
    h.chunks_offset = round_up(h.strings_offset + h.strings_size, PAGE);
    h.chunk_limit = rec.limit > h.chunks_offset ? (rec.limit - h.chunks_offset) / CHUNK_SIZE : 0;
    snprintf(h.program, sizeof h.program, "%s", program_invocation_short_name);
    return h;
}

/* Touches memory before it is needed: all of a chunk in one system call, when a thread gets it. Measured with
 * bench_trace: the slowest events took several times as long when each page was left to its own fault, and also when a
 * helper thread did it ahead, as it held up the faults of those that record. The median was the same each time. A
 * kernel that is too old for this refuses, and pages take their faults. */
static void make_ready(void *memory, size_t size)
{
    (void)madvise(memory, size, MADV_POPULATE_WRITE);
}

/* A new file of that size with all its space allocated, mapped. NULL with errno set if it cannot be.
 * An old file of the name is removed and not cut short: another process may have it mapped, and would die of it. */
static unsigned char *file_map(const char *path, size_t size)
{
    struct stat st;
    struct rlimit allowed;
    unsigned char *map = MAP_FAILED;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        return NULL;
    }
    if (getrlimit(RLIMIT_FSIZE, &allowed) == 0 && allowed.rlim_cur < size) {
        errno = EFBIG; /* asked beforehand, as trying it would be answered with a deadly signal */
        return NULL;
    }
    if (unlink(path) == -1 && errno != ENOENT)
        return NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd == -1)
        return NULL;
    int error = posix_fallocate(fd, 0, (off_t)size);
    if (!error && fstat(fd, &st) == 0)
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!error && map == MAP_FAILED)
        error = errno;
    close(fd); /* the mapping keeps the file, and the program's descriptors are numbered as if we were not here */
    if (error) {
        unlink(path);
        errno = error;
        return NULL;
    }
    rec.device = st.st_dev;
    rec.inode = st.st_ino;
    return map;
}

/* Makes the file at rec.path and puts it in use. False, with errno set, if that cannot be. */
static bool file_open(void)
{
    static const char magic[8] = "wakeful\n";
    struct header h = header_made();
    uint64_t word;

    if (h.chunk_limit == 0) {
        errno = EFBIG;
        return false;
    }
    unsigned char *map = file_map(rec.path, h.chunks_offset + h.chunk_limit * CHUNK_SIZE);
    if (!map)
        return false;

    uint64_t warm = h.chunk_limit < WARM_AT_START ? h.chunk_limit : WARM_AT_START;
    make_ready(map, h.chunks_offset + warm * CHUNK_SIZE);
    memcpy(map, &h, sizeof h);
    sites_put(map, &h);
    rec.chunk_limit = h.chunk_limit;
    rec.chunks = map + h.chunks_offset;

    struct header *header = (struct header *)map;
    memcpy(&word, magic, sizeof word);
    atomic_store_explicit(&header->magic, word, memory_order_release); /* pairs with whoever reads the file */
    atomic_store_explicit(&rec.header, header, memory_order_release);  /* pairs with the loads in header_get */
    return true;
}

static struct header *header_get(void)
{
    return atomic_load_explicit(&rec.header, memory_order_acquire); /* pairs with the store in file_open */
}

/* ---- handing out records ---- */

static void count_dropped(void)
{
    struct header *header = header_get();
    uint64_t now = ticks_now();

    if (!header)
        return;
    /* All relaxed: these are mere numbers, and nothing is read on the strength of them. */
    uint64_t first = atomic_load_explicit(&header->first_dropped, memory_order_relaxed);
    while ((first == 0 || now < first) &&
           !atomic_compare_exchange_weak_explicit(&header->first_dropped, &first, now, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
    atomic_fetch_add_explicit(&header->dropped, 1, memory_order_relaxed);
}

/* A chunk that nobody had before, as a run of all its records. Takes no lock. */
static bool chunk_take(struct header *header, struct cursor *cursor)
{
    /* Relaxed: the number is all that threads tell each other here. The load keeps a full file's count from growing. */
    if (atomic_load_explicit(&header->chunks_taken, memory_order_relaxed) >= rec.chunk_limit)
        return false;
    uint64_t index = atomic_fetch_add_explicit(&header->chunks_taken, 1, memory_order_relaxed);
    if (index >= rec.chunk_limit)
        return false;

    struct chunk_header *chunk = (struct chunk_header *)(rec.chunks + index * CHUNK_SIZE);
    if (index >= WARM_AT_START)
        make_ready(chunk, CHUNK_SIZE);
    chunk->magic = CHUNK_MAGIC;
    cursor->next = (struct record *)(chunk + 1);
    cursor->end = cursor->next + CHUNK_RECORDS;
    return true;
}

/* With the lock held. The next new thread wants room for two records at least: its THREAD event and another. */
static void run_give_back(struct cursor *cursor)
{
    if (cursor->end - cursor->next >= 2) {
        cursor->next->a = (uint32_t)(cursor->end - cursor->next);
        cursor->next->b = (uintptr_t)free_runs;
        free_runs = cursor->next;
    }
    cursor->next = cursor->end;
}

/* A short run, with the lock held. */
static bool run_take(struct header *header, struct cursor *cursor, uint32_t length)
{
    struct cursor fresh;

    if (length == FIRST_RUN && free_runs) {
        cursor->next = free_runs;
        cursor->end = free_runs + free_runs->a;
        free_runs = (struct record *)(uintptr_t)free_runs->b;
        return true;
    }
    if (shared.end - shared.next < length) {
        if (!chunk_take(header, &fresh))
            return false;
        run_give_back(&shared);
        shared = fresh;
    }
    cursor->next = shared.next;
    cursor->end = shared.next += length;
    return true;
}

/* A forked child opens its own file when it records for the first time; so a child that records nothing leaves none. */
static void child_open(void)
{
    if (rec.failed || header_get())
        return;
    size_t length = strlen(rec.path);
    snprintf(rec.path + length, PATH_MAX - length, ".%d", (int)getpid());
    if (!file_open()) {
        rec.failed = true;
        dprintf(STDERR_FILENO, "%s: cannot record: %s\n", rec.path, strerror(errno));
    }
}

/* Gives the cursor records to fill. False: there are none left. */
static bool run_get(struct cursor *cursor)
{
    uint32_t length = me.run == 0 ? FIRST_RUN : me.run < CHUNK_RECORDS / 4 ? me.run * 4 : CHUNK_RECORDS;
    struct header *header = header_get();

    /* depth > 1: a signal handler inside trace_emit, which may hold the lock */
    if (length == CHUNK_RECORDS || me.depth > 1)
        return header && chunk_take(header, cursor);

    /* Set even if there is no room: the thread asks for more the next time, which there is not either. So what is kept
     * of a thread has no gaps. */
    me.run = length;
    pthread_mutex_lock(&lock);
    child_open();
    header = header_get();
    bool got = header && run_take(header, cursor, length);
    pthread_mutex_unlock(&lock);
    return got;
}

/* ---- events ---- */

uint32_t trace_site_number(const struct site *at)
{
    uintptr_t offset = (uintptr_t)at - (uintptr_t)__start_trace_sites;
    if (!at || offset / sizeof *at >= site_count())
        return 0;
    return (uint32_t)(offset / sizeof *at) + 1;
}

static inline void record_write(struct record *r, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b,
                                const struct site *at)
{
    union commit_word commit = {{(uint16_t)kind, me.worker}};

    r->ticks = ticks_now();
    r->b = b;
    r->task = task;
    r->a = a;
    r->site = (uint16_t)trace_site_number(at);
    r->thread = me.thread;
    atomic_store_explicit(&r->commit, commit.word, memory_order_release); /* pairs with whoever reads the file */
}

/* False if this thread is one too many for the format's 16 bits. */
static bool thread_number(void)
{
    if (me.thread)
        return true;
    if (atomic_load_explicit(&rec.threads, memory_order_relaxed) >= UINT16_MAX)
        return false;
    uint32_t number = atomic_fetch_add_explicit(&rec.threads, 1, memory_order_relaxed) + 1; /* a count: no partner */
    me.thread = number <= UINT16_MAX ? (uint16_t)number : 0;
    return me.thread;
}

/* The first event of a thread: who it is. */
static void thread_introduce(struct cursor *cursor)
{
    static const struct site main_name SITE_SECTION = {__FILE__, __func__, "main", __LINE__, 0};
    static const struct site other_name SITE_SECTION = {__FILE__, __func__, "thread", __LINE__, 0};
    pid_t id = gettid();
    const struct site *name = me.name ? me.name : id == getpid() ? &main_name : &other_name;

    record_write(cursor->next++, TRACE_THREAD, 0, (uint32_t)id, 0, name);
    me.introduced = true;
}

static bool cursor_refill(struct cursor *cursor)
{
    int program_errno = errno;
    bool got = thread_number() && run_get(cursor);

    if (got) {
        pthread_setspecific(rec.at_thread_end, &me); /* any value but NULL has thread_end called */
        if (!me.introduced)
            thread_introduce(cursor);
    } else {
        count_dropped();
    }
    errno = program_errno;
    return got;
}

/* What happens inside a task's poll and names no task is that task's doing. */
static uint32_t event_task(enum trace_kind kind, uint32_t task)
{
    if (kind == TRACE_TASK_POLL_BEGIN)
        me.task = task;
    else if (kind == TRACE_TASK_POLL_END)
        me.task = 0;
    return task ? task : me.task;
}

void trace_emit(enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b, const struct site *at)
{
    task = event_task(kind, task);
    if (me.depth == NESTING) {
        count_dropped();
        return;
    }
    struct cursor *cursor = &me.cursors[me.depth++];
    atomic_signal_fence(memory_order_seq_cst); /* from here on a handler of this thread keeps off this cursor */
    if (__builtin_expect(cursor->next != cursor->end, 1) || cursor_refill(cursor))
        record_write(cursor->next++, kind, task, a, b, at);
    atomic_signal_fence(memory_order_seq_cst);
    me.depth--;
}

void trace_thread_name_at(const struct site *at)
{
    me.name = at;
}

void trace_worker(unsigned number)
{
    me.worker = (uint16_t)number;
}

#ifdef HOOKS
static void *hook_arg; /* read only by those who found a hook */
static trace_hook *_Atomic hook_set;

void trace_set_hook(trace_hook *hook, void *arg)
{
    if (hook)
        hook_arg = arg;
    atomic_store_explicit(&hook_set, hook, memory_order_release); /* pairs with the load in trace_point */
}

void trace_point(enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b, const struct site *at)
{
    trace_hook *hook = atomic_load_explicit(&hook_set, memory_order_acquire); /* pairs with trace_set_hook */
    if (hook)
        hook(hook_arg, kind, task, a, b);
    if (trace_on)
        trace_emit(kind, task, a, b, at);
}
#endif

/* ---- the ends: of a thread, at a fork, of the program ---- */

static void thread_end(void *unused)
{
    (void)unused;
    me.depth++;
    atomic_signal_fence(memory_order_seq_cst); /* a handler keeps away from the lock */
    pthread_mutex_lock(&lock);
    for (int i = 0; i < NESTING; i++)
        run_give_back(&me.cursors[i]);
    pthread_mutex_unlock(&lock);
    atomic_signal_fence(memory_order_seq_cst);
    me.depth--;
}

/* The child has one thread, this one, and shares the parent's mapping: from here on it keeps out of it. */
static void forked_child(void)
{
    pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

    memcpy(&lock, &fresh, sizeof lock); /* a thread that does not exist here may have held it */
    shared = (struct cursor){NULL, NULL};
    free_runs = NULL;
    atomic_store_explicit(&rec.threads, 0, memory_order_relaxed);
    atomic_store_explicit(&rec.header, NULL, memory_order_relaxed);
    memset(me.cursors, 0, sizeof me.cursors);
    me.run = 0;
    me.thread = 0;
    me.introduced = false;
}

static void say_dropped(const struct header *header)
{
    unsigned long long dropped = atomic_load_explicit(&header->dropped, memory_order_relaxed); /* a mere count */
    unsigned long long enough = rec.limit + 2 * dropped * sizeof(struct record);

    if (dropped)
        dprintf(STDERR_FILENO, "%s: full: %llu events were dropped; TRACE_LIMIT=%lluM would have held them\n", rec.path,
                dropped, (enough >> 20) + 1);
}

__attribute__((destructor(101))) static void program_end(void)
{
    struct header *header = header_get();
    struct stat st;

    if (!header)
        return;
    /* Other threads may still record, into the runs they have. From here on none gets a new chunk, so what is behind
     * the last one taken can be cut off under them. */
    uint64_t taken = atomic_fetch_add_explicit(&header->chunks_taken, rec.chunk_limit, memory_order_relaxed);
    struct moment end = moment_now();
    header->chunk_limit = taken < rec.chunk_limit ? taken : rec.chunk_limit;
    header->end_ticks = end.ticks;
    header->end_ns = end.ns;
    header->flags |= FLAG_ENDED;
    if (stat(rec.path, &st) == 0 && st.st_dev == rec.device && st.st_ino == rec.inode)
        (void)!truncate(rec.path, (off_t)(header->chunks_offset + header->chunk_limit * CHUNK_SIZE));
    say_dropped(header);
}

/* ---- the start ---- */

/* "16M" in bytes; 0 if it is no size. */
static uint64_t size_parse(const char *text)
{
    static const char units[] = "KMG";
    char *end;

    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || end == text || *text < '0' || *text > '9')
        return 0;
    unsigned shift = 0;
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (*end || number > (uint64_t)INT64_MAX >> shift)
        return 0;
    return number << shift;
}

_Noreturn static void refuse(const char *what, const char *why)
{
    dprintf(STDERR_FILENO, "%s: cannot record: %s\n", what, why);
    _exit(2);
}

/* Absolute, as the program may change its directory before it forks or ends; "%p" becomes the process number. */
static bool path_set(const char *text)
{
    rec.path = malloc(PATH_MAX);
    if (!rec.path)
        return false;
    char *out = rec.path;
    char *end = rec.path + PATH_MAX - 32; /* leaves room for a forked child's ".PID" */

    if (*text != '/') {
        if (!getcwd(rec.path, PATH_MAX - 32))
            return false;
        out += strlen(out);
        *out++ = '/';
    }
    while (*text && out < end) {
        if (text[0] == '%' && text[1] == 'p') {
            out += sprintf(out, "%d", (int)getpid());
            text += 2;
        } else {
            *out++ = *text++;
        }
    }
    *out = '\0';
    errno = ENAMETOOLONG;
    return !*text;
}

/* A program that this one executes inherits TRACE: it gets a name of its own, or it would take this file's place. */
static void environment_set(void)
{
    char name[PATH_MAX + 4];
    snprintf(name, sizeof name, "%s.%%p", rec.path);
    setenv("TRACE", name, 1);
}

__attribute__((constructor(101))) static void program_begin(void)
{
    const char *path = getenv("TRACE");
    const char *limit = getenv("TRACE_LIMIT");

    if (!path || !*path)
        return;
    rec.limit = limit && *limit ? size_parse(limit) : DEFAULT_LIMIT;
    if (rec.limit < 2 * CHUNK_SIZE)
        refuse("TRACE_LIMIT", "it must be a size of at least 128K, like 16M");
    if (!path_set(path))
        refuse(path, strerror(errno));
    rec.counter = counter_usable();
    rec.ns_per_tick = ns_per_tick_measured();
    errno = pthread_key_create(&rec.at_thread_end, thread_end);
    if (errno || !file_open())
        refuse(path, strerror(errno));
    pthread_atfork(NULL, NULL, forked_child);
    environment_set();
    trace_on = true;
}

#else /* TRACE_OFF: the clock is all that is left */

#include <time.h>

uint64_t trace_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#endif
