/* Reads the file. Whatever a number in it says is checked before it is used. */
#include "recording.h"

#include "format.h"
#include "memory.h"
#include "order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reader {
    struct recording *rec;
    int fd;
    uint64_t file_size;
    struct format_header header;
    uint64_t ns_per_tick; /* 32 bits of fraction */
    struct event *events; /* as they lie in the file */
    size_t count;
    struct run *runs;
    size_t run_count;
    uint64_t room_until; /* until then no event can have been dropped */
    char *error;
    size_t error_size;
};

__attribute__((format(printf, 3, 4))) static int fail(struct reader *r, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(r->error, r->error_size, format, args);
    va_end(args);
    return status;
}

static int read_at(struct reader *r, void *to, uint64_t offset, uint64_t size)
{
    for (uint64_t done = 0; done < size;) {
        ssize_t n = pread(r->fd, (char *)to + done, size - done, (off_t)(offset + done));

        if (n < 0 && errno != EINTR)
            return fail(r, -errno, "cannot be read: %s", strerror(errno));
        if (n == 0)
            return fail(r, -EINVAL, "is cut short while it is read");
        done += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

/* ---- the header */

static bool inside(const struct reader *r, uint64_t offset, uint64_t count, uint64_t size)
{
    return offset >= FORMAT_HEADER_SIZE && offset <= r->file_size && count <= (r->file_size - offset) / size;
}

static uint64_t chunks_used(const struct reader *r)
{
    const struct format_header *h = &r->header;

    return h->chunks_taken < h->chunk_limit ? h->chunks_taken : h->chunk_limit;
}

static int check_identity(struct reader *r)
{
    const struct format_header *h = &r->header;

    if (memcmp(h->magic, FORMAT_MAGIC, sizeof h->magic) != 0)
        return fail(r, -EINVAL, "is not a recording: it does not begin with \"wakeful\"");
    if (r->file_size < FORMAT_HEADER_SIZE)
        return fail(r, -EINVAL, "is cut short: its header is not complete");
    if (h->byte_order == __builtin_bswap32(FORMAT_BYTE_ORDER))
        return fail(r, -EINVAL, "was made on a machine of the other byte order");
    if (h->byte_order != FORMAT_BYTE_ORDER)
        return fail(r, -EINVAL, "is damaged: its byte order mark is 0x%08x", h->byte_order);
    if (h->version != FORMAT_VERSION)
        return fail(r, -EINVAL, "has format version %u; this lifeline reads version %d", h->version, FORMAT_VERSION);
    return 0;
}

static int check_layout(struct reader *r)
{
    const struct format_header *h = &r->header;

    if (h->record_size != sizeof(struct format_record))
        return fail(r, -EINVAL, "is damaged: records of %u bytes instead of 32", h->record_size);
    if (h->chunk_size == 0 || h->chunk_size % 4096 || h->chunk_size > 1u << 30)
        return fail(r, -EINVAL, "is damaged: chunks of %u bytes", h->chunk_size);
    if (!inside(r, h->sites_offset, h->site_count, sizeof(struct format_site)))
        return fail(r, -EINVAL, "is cut short or damaged: its %u sites lie outside of it", h->site_count);
    if (!inside(r, h->strings_offset, h->strings_size, 1))
        return fail(r, -EINVAL, "is cut short or damaged: its strings lie outside of it");
    if (h->chunks_offset % 4096 || !inside(r, h->chunks_offset, chunks_used(r), h->chunk_size))
        return fail(r, -EINVAL, "is cut short or damaged: its %llu chunks lie outside of it",
                    (unsigned long long)chunks_used(r));
    return 0;
}

/* The clock at both ends of the run measures a tick better than the recorder could at the start. */
static int check_clock(struct reader *r)
{
    const struct format_header *h = &r->header;

    r->ns_per_tick = h->ns_per_tick;
    if (h->end_ticks > h->start_ticks && h->end_ns > h->start_ns)
        r->ns_per_tick = (uint64_t)(((unsigned __int128)(h->end_ns - h->start_ns) << 32) /
                                    (h->end_ticks - h->start_ticks));
    if (r->ns_per_tick == 0)
        return fail(r, -EINVAL, "is damaged: it does not say how long a tick lasts");
    return 0;
}

static int read_header(struct reader *r)
{
    struct recording *rec = r->rec;
    int status;

    if (r->file_size < sizeof r->header.magic)
        return fail(r, -EINVAL, r->file_size ? "is not a recording: it is too short" : "is empty");
    memset(&r->header, 0, sizeof r->header);
    status = read_at(r, &r->header, 0, r->file_size < sizeof r->header ? r->file_size : sizeof r->header);
    if (status)
        return status;
    status = check_identity(r);
    if (status)
        return status;
    status = check_layout(r);
    if (status)
        return status;
    status = check_clock(r);
    if (status)
        return status;
    memcpy(rec->program, r->header.program, sizeof r->header.program);
    rec->pid = r->header.pid;
    rec->ended_in_order = r->header.flags & FORMAT_ENDED;
    rec->dropped = r->header.dropped;
    rec->start_unix_ns = r->header.start_unix_ns;
    rec->start_ns = r->header.start_ns;
    return 0;
}

/* ---- sites */

static const char *string_at(const struct reader *r, uint32_t offset)
{
    return offset < r->header.strings_size ? r->rec->strings + offset : "";
}

static int read_places(struct reader *r)
{
    struct recording *rec = r->rec;
    uint32_t count = r->header.site_count;
    struct format_site *sites = memory_array(count, sizeof *sites);
    int status;

    rec->strings = memory_array(r->header.strings_size + 1, 1); /* so the last string ends, too */
    rec->places = memory_array((size_t)count + 1, sizeof *rec->places);
    rec->site_count = count;
    status = read_at(r, rec->strings, r->header.strings_offset, r->header.strings_size);
    if (!status)
        status = read_at(r, sites, r->header.sites_offset, (uint64_t)count * sizeof *sites);
    rec->places[0] = (struct place){"", "", "", 0};
    for (uint32_t i = 0; i < count; i++)
        rec->places[i + 1] = (struct place){string_at(r, sites[i].file), string_at(r, sites[i].function),
                                            string_at(r, sites[i].label), sites[i].line};
    free(sites);
    return status;
}

/* ---- events */

static uint64_t time_of(const struct reader *r, uint64_t ticks)
{
    unsigned __int128 ns;

    if (ticks <= r->header.start_ticks)
        return 0;
    ns = (unsigned __int128)(ticks - r->header.start_ticks) * r->ns_per_tick >> 32;
    return ns < INT64_MAX ? (uint64_t)ns : INT64_MAX;
}

static void take_record(struct reader *r, const struct format_record *from)
{
    struct recording *rec = r->rec;
    struct event *to = &r->events[r->count++];

    to->time = time_of(r, from->ticks);
    to->b = from->b;
    to->task = from->task;
    to->a = from->a;
    to->site = from->site <= rec->site_count ? from->site : 0;
    to->thread = from->thread;
    to->kind = from->kind;
    to->worker = from->worker;
    rec->threads = from->thread > rec->threads ? from->thread : rec->threads;
    rec->tasks = from->task > rec->tasks ? from->task : rec->tasks;
    rec->workers = from->worker > rec->workers ? from->worker : rec->workers;
}

static void add_run(struct reader *r, size_t from)
{
    r->runs = memory_more(r->runs, r->run_count, sizeof *r->runs);
    r->runs[r->run_count++] = (struct run){r->events + from, r->count - from};
}

/* Threads share a chunk piece by piece, and a signal handler has a piece of its own beside that of its thread. */
static bool run_goes_on(const struct reader *r, const struct format_record *record)
{
    const struct event *last = &r->events[r->count - 1];

    return record->thread == last->thread && time_of(r, record->ticks) >= last->time;
}

static void take_chunk(struct reader *r, const struct format_record *records, size_t count)
{
    size_t first = r->count, from = first;

    for (size_t i = 1; i < count; i++) {
        if (records[i].kind == 0)
            continue;
        if (r->count > from && !run_goes_on(r, &records[i])) {
            add_run(r, from);
            from = r->count;
        }
        take_record(r, &records[i]);
    }
    if (r->count > from)
        add_run(r, from);
    if (r->count > first && r->events[first].time > r->room_until)
        r->room_until = r->events[first].time;
}

static int read_chunks(struct reader *r)
{
    uint32_t size = r->header.chunk_size;
    uint64_t used = chunks_used(r);
    size_t per_chunk = size / sizeof(struct format_record);
    struct format_record *records = memory_array(per_chunk, sizeof *records);
    const struct format_chunk *chunk = (const struct format_chunk *)records;
    int status = 0;

    r->events = memory_array(used * (per_chunk - 1), sizeof *r->events);
    for (uint64_t i = 0; i < used && !status; i++) {
        status = read_at(r, records, r->header.chunks_offset + i * size, size);
        if (!status && chunk->magic == FORMAT_CHUNK_MAGIC)
            take_chunk(r, records, per_chunk);
        else if (!status && chunk->magic != 0) /* 0: taken, but the run was killed before it was used */
            status = fail(r, -EINVAL, "is damaged: chunk %llu does not begin as a chunk", (unsigned long long)i);
    }
    free(records);
    return status;
}

/* ---- what follows from the events */

static void collect_names(struct recording *rec)
{
    rec->thread_names = memory_array((size_t)rec->threads + 1, sizeof *rec->thread_names);
    rec->thread_workers = memory_array((size_t)rec->threads + 1, sizeof *rec->thread_workers);
    for (uint32_t i = 0; i <= rec->threads; i++)
        rec->thread_names[i] = "";
    for (size_t i = 0; i < rec->count; i++) {
        const struct event *ev = &rec->events[i];

        if (ev->worker)
            rec->thread_workers[ev->thread] = ev->worker;
        if (ev->kind == TRACE_THREAD)
            rec->thread_names[ev->thread] = event_place(rec, ev)->label;
        else if (ev->kind == TRACE_TASK_SPAWN)
            map_put(&rec->task_types, ev->task, ev->a <= rec->site_count ? ev->a : 0);
        else if (ev->kind == TRACE_FUTURE_NEW)
            map_put(&rec->future_types, ev->b, ev->a <= rec->site_count ? ev->a : 0);
    }
}

/* Events are dropped once all chunks are taken: not before the last of them was begun. */
static size_t whole_events(const struct reader *r)
{
    const struct recording *rec = r->rec;
    size_t i = 0;

    if (rec->dropped == 0)
        return rec->count;
    while (i < rec->count && rec->events[i].time <= r->room_until)
        i++;
    return i;
}

static int read_all(struct reader *r)
{
    struct recording *rec = r->rec;
    int status = read_header(r);

    if (!status)
        status = read_places(r);
    if (!status)
        status = read_chunks(r);
    if (status)
        return status;
    rec->events = memory_array(r->count, sizeof *rec->events);
    rec->count = r->count;
    order_events(rec->events, r->runs, r->run_count);
    rec->whole = whole_events(r);
    collect_names(rec);
    return 0;
}

static int open_file(struct reader *r, const char *path)
{
    struct stat st;

    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &st) < 0)
        return fail(r, -errno, "cannot be opened: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(r, -EINVAL, "is not a file");
    r->file_size = (uint64_t)st.st_size;
    return 0;
}

int recording_open(struct recording *rec, const char *path, char *error, size_t size)
{
    struct reader r = {.rec = rec, .fd = -1, .error = error, .error_size = size};
    int status;

    *rec = (struct recording){.path = path};
    status = open_file(&r, path);
    if (!status)
        status = read_all(&r);
    if (r.fd >= 0)
        close(r.fd);
    free(r.events);
    free(r.runs);
    if (status)
        recording_close(rec);
    return status;
}

void recording_close(struct recording *rec)
{
    free(rec->places);
    free(rec->strings);
    free(rec->events);
    free(rec->thread_names);
    free(rec->thread_workers);
    map_free(&rec->task_types);
    map_free(&rec->future_types);
    *rec = (struct recording){0};
}

/* ---- questions */

const struct place *recording_place(const struct recording *rec, uint32_t site)
{
    return &rec->places[site <= rec->site_count ? site : 0];
}

const struct place *event_place(const struct recording *rec, const struct event *ev)
{
    return recording_place(rec, ev->site);
}

static const char *type_name(const struct recording *rec, const struct map *types, uint64_t key)
{
    uint32_t site = map_get(types, key);

    return site == MAP_NONE ? "" : recording_place(rec, site)->label;
}

const char *task_type(const struct recording *rec, uint32_t task)
{
    return type_name(rec, &rec->task_types, task);
}

const char *future_type(const struct recording *rec, uint64_t future)
{
    return type_name(rec, &rec->future_types, future);
}

const char *event_kind_name(unsigned kind)
{
    switch (kind) {
#define X(number, NAME, name, says)                                                                                    \
    case number:                                                                                                       \
        return name;
        TRACE_EVENTS(X)
#undef X
    }
    return NULL;
}

const char *event_call_name(unsigned call)
{
    switch (call) {
#define X(number, NAME, name, args)                                                                                    \
    case number:                                                                                                       \
        return name;
        TRACE_CALLS(X)
#undef X
    }
    return NULL;
}

bool event_leaves_state(const struct event *ev)
{
    bool may = ev->kind == TRACE_TASK_POLL_BEGIN || ev->kind == TRACE_WAKE_END ||
               (ev->kind == TRACE_TASK_POLL_END && !ev->b);

    return may && states_before(ev->a) == TRACE_STATE_RUNNING && states_after(ev->a) == TRACE_STATE_RUNNING;
}

bool event_has_states(const struct event *ev)
{
    switch (ev->kind) {
    case TRACE_TASK_POLL_BEGIN:
    case TRACE_TASK_POLL_END:
    case TRACE_TASK_ABORT:
    case TRACE_TASK_CANCELLED:
    case TRACE_WAKE_END:
        return true;
    default:
        return false;
    }
}
