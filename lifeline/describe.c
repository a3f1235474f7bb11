#include "describe.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
#define ERRNO_NAMES(X)                                                                                                 \
    X(EAGAIN) X(EINTR) X(EINPROGRESS) X(EBADF) X(ECONNREFUSED) X(ECONNRESET) X(EPIPE) X(EMFILE) X(ENFILE) X(EEXIST)    \
    X(ENOENT) X(ECANCELED) X(ETIMEDOUT) X(EINVAL) X(ENOTCONN) X(EADDRINUSE) X(ENOMEM) X(ENOSPC) X(ECONNABORTED)        \
    X(EALREADY) X(EISCONN) X(EPERM) X(EACCES)
/* clang-format on */

#include <errno.h>

struct words { /* a list being written: separators go between its parts */
    char *to;
    size_t size, used;
};

static const char *errno_word(int64_t number)
{
    switch (number) {
#define X(name)                                                                                                        \
    case name:                                                                                                         \
        return #name;
        ERRNO_NAMES(X)
#undef X
    }
    return NULL;
}

static void words_add(struct words *words, const char *word)
{
    if (words->used < words->size)
        words->used += (size_t)snprintf(words->to + words->used, words->size - words->used, "%s%s",
                                        words->used ? "|" : "", word);
}

static const char *describe_bits(unsigned bits, const char *const *names, unsigned count, const char *none, char *to,
                                 size_t size)
{
    struct words words = {to, size, 0};
    char rest[16];

    for (unsigned i = 0; i < count; i++)
        if (bits & 1u << i)
            words_add(&words, names[i]);
    if (bits >> count) {
        snprintf(rest, sizeof rest, "0x%x", bits >> count << count);
        words_add(&words, rest);
    }
    if (words.used == 0)
        words_add(&words, none);
    return to;
}

const char *describe_state(unsigned state, char *to, size_t size)
{
    static const char *const names[] = {"queued", "running", "done", "aborted"};

    return describe_bits(state, names, 4, "idle", to, size);
}

static const char *describe_features(unsigned features, char *to, size_t size)
{
    static const char *const names[] = {"wakes", "reactor", "workers", "stealing"};

    return describe_bits(features, names, 4, "none", to, size);
}

static const char *describe_epoll(unsigned bits, char *to, size_t size)
{
    static const char *const names[] = {"IN", "PRI", "OUT", "ERR", "HUP"};
    struct words words = {to, size, 0};

    for (unsigned i = 0; i < 5; i++)
        if (bits & 1u << i)
            words_add(&words, names[i]);
    if (bits & 0x2000)
        words_add(&words, "RDHUP");
    if (words.used == 0)
        words_add(&words, "none");
    return to;
}

const char *describe_task(const struct recording *rec, uint32_t task, char *to, size_t size)
{
    const char *type = task_type(rec, task);

    snprintf(to, size, *type ? "task %u (%.60s)" : "task %u", task, type);
    return to;
}

const char *describe_thread(const struct recording *rec, uint32_t thread, char *to, size_t size)
{
    const char *name = thread <= rec->threads ? rec->thread_names[thread] : "";
    unsigned worker = thread <= rec->threads ? rec->thread_workers[thread] : 0;
    size_t length = strlen(name);
    bool numbered = length > 0 && name[length - 1] >= '0' && name[length - 1] <= '9';

    if (worker && !numbered)
        snprintf(to, size, "%.40s-%u", *name ? name : "worker", worker);
    else if (*name)
        snprintf(to, size, "%s", name);
    else
        snprintf(to, size, "thread %u", thread);
    return to;
}

const char *describe_source(unsigned source, uint64_t number, char *to, size_t size)
{
    static const char *const formats[] = {
        [TRACE_SOURCE_READ] = "reading of fd %lld",
        [TRACE_SOURCE_WRITE] = "writing of fd %lld",
        [TRACE_SOURCE_TIMER] = "timer %lld",
        [TRACE_SOURCE_JOIN] = "the end of task %lld",
        [TRACE_SOURCE_THREAD] = "helper thread %lld",
        [TRACE_SOURCE_SYNC] = "synchronisation object %lld",
        [TRACE_SOURCE_OTHER] = "something else (%lld)",
    };

    if (source == TRACE_SOURCE_THREAD && number == 0)
        snprintf(to, size, "a helper thread");
    else if (source == TRACE_SOURCE_SYNC && number >> 32)
        snprintf(to, size, "synchronisation object %u (future %u)", (unsigned)number, (unsigned)(number >> 32));
    else if (source >= TRACE_SOURCE_READ && source <= TRACE_SOURCE_OTHER)
        snprintf(to, size, formats[source], (long long)number);
    else
        snprintf(to, size, "source %u number %lld", source, (long long)number);
    return to;
}

const char *describe_time(uint64_t ns, char *to, size_t size)
{
    if (ns < 1000)
        snprintf(to, size, "%u ns", (unsigned)ns);
    else if (ns < 1000000)
        snprintf(to, size, "%.1f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(to, size, "%.1f ms", (double)ns / 1e6);
    else
        snprintf(to, size, "%.2f s", (double)ns / 1e9);
    return to;
}

const char *describe_lock(uint64_t number, char *to, size_t size)
{
    snprintf(to, size, number >> 32 ? "lock %u, shared" : "lock %u", (unsigned)number);
    return to;
}

/* ---- arguments of each kind */

static void put_states(const struct event *ev, char *to, size_t size)
{
    char before[48], after[48];

    snprintf(to, size, "%s -> %s", describe_state(states_before(ev->a), before, sizeof before),
             describe_state(states_after(ev->a), after, sizeof after));
}

static void put_result(int64_t result, char *to, size_t size)
{
    const char *name = result < 0 ? errno_word(-result) : NULL;

    if (name)
        snprintf(to, size, "-%s", name);
    else
        snprintf(to, size, "%lld", (long long)result);
}

static void put_call(const struct event *ev, char *to, size_t size)
{
    static const char *const operations[] = {"", "add", "delete", "modify"};
    const char *name = event_call_name(ev->a);
    int first = (int)(uint32_t)ev->b, second = (int)(uint32_t)(ev->b >> 32);

    if (!name)
        snprintf(to, size, "call %u(%d, %d)", ev->a, first, second);
    else if (ev->a == TRACE_CALL_EPOLL_CTL && second >= 1 && second <= 3)
        snprintf(to, size, "%s(%d, %s)", name, first, operations[second]);
    else
        snprintf(to, size, "%s(%d, %d)", name, first, second);
}

static void put_call_end(const struct event *ev, char *to, size_t size)
{
    const char *name = event_call_name(ev->a);
    char result[32];

    put_result((int64_t)ev->b, result, sizeof result);
    if (name)
        snprintf(to, size, "%s = %s", name, result);
    else
        snprintf(to, size, "call %u = %s", ev->a, result);
}

static void put_wait(uint64_t ns, char *to, size_t size)
{
    char time[32];

    if ((int64_t)ns < 0)
        snprintf(to, size, "for ever");
    else
        snprintf(to, size, "at most %s", describe_time(ns, time, sizeof time));
}

static void put_deadline(const struct recording *rec, const struct event *ev, char *to, size_t size)
{
    snprintf(to, size, "timer %u, deadline %.3f us", ev->a, (double)(int64_t)(ev->b - rec->start_ns) / 1e3);
}

static void put_transition(const struct event *ev, char *to, size_t size)
{
    char states[100];

    put_states(ev, states, sizeof states);
    if (ev->kind == TRACE_TASK_POLL_BEGIN && ev->b)
        snprintf(to, size, "%s, poll %llu", states, (unsigned long long)ev->b);
    else if (ev->kind == TRACE_TASK_POLL_END)
        snprintf(to, size, "%s, %s", ev->b ? "ready" : "pending", states);
    else if (ev->kind == TRACE_WAKE_END)
        snprintf(to, size, "%s%s", states, ev->b ? ", consumes the waker" : "");
    else
        snprintf(to, size, "%s", states);
}

/* Long, but a list: a line or two for each kind of event. */
const char *describe_args(const struct recording *rec, const struct event *ev, char *to, size_t size)
{
    unsigned long long b = ev->b;
    char words[100];

    if (event_has_states(ev)) {
        put_transition(ev, to, size);
        return to;
    }
    switch (ev->kind) {
    case TRACE_THREAD:
        snprintf(to, size, "%.60s, id %u", describe_thread(rec, ev->thread, words, sizeof words), ev->a);
        break;
    case TRACE_RUNTIME:
        snprintf(to, size, "stage %u, has %s", ev->a, describe_features((unsigned)b, words, sizeof words));
        break;
    case TRACE_NOTE:
        snprintf(to, size, "\"%.120s\" %lld", event_place(rec, ev)->label, (long long)b);
        break;
    case TRACE_FUTURE_NEW:
    case TRACE_FUTURE_DROP:
    case TRACE_TASK_SPAWN:
        snprintf(to, size, "future %llu, %.80s", b, recording_place(rec, ev->a)->label);
        break;
    case TRACE_FUTURE_POLL_BEGIN:
        snprintf(to, size, "future %llu, %.80s", b, future_type(rec, b));
        break;
    case TRACE_FUTURE_POLL_END:
        snprintf(to, size, "future %llu, %s", b, ev->a ? "ready" : "pending");
        break;
    case TRACE_RUN_BEGIN:
        snprintf(to, size, "%s", b ? "drops what is left" : "");
        break;
    case TRACE_QUEUE_PUSH:
    case TRACE_QUEUE_POP:
        snprintf(to, size, "queue %u, length %llu%s", ev->a, b,
                 ev->kind == TRACE_QUEUE_POP && ev->task == 0 ? ", empty" : "");
        break;
    case TRACE_QUEUE_STEAL:
        snprintf(to, size, "queue %u -> queue %llu", ev->a, b);
        break;
    case TRACE_WAKE_BEGIN:
        snprintf(to, size, "%s", b ? "consumes the waker" : "");
        break;
    case TRACE_WAIT:
    case TRACE_WAIT_END:
        describe_source(ev->a, b, to, size);
        break;
    case TRACE_REGISTER_BEGIN:
    case TRACE_DEREGISTER:
        snprintf(to, size, "fd %d, registration %llu", (int)ev->a, b);
        break;
    case TRACE_REGISTER_END:
        put_result((int64_t)b, words, sizeof words);
        snprintf(to, size, "fd %d = %s", (int)ev->a, words);
        break;
    case TRACE_TURN_BEGIN:
        put_wait(b, to, size);
        break;
    case TRACE_TURN_END:
        snprintf(to, size, "%u ready, %llu timers", ev->a, b);
        break;
    case TRACE_READY:
        snprintf(to, size, "fd %d, %s", (int)ev->a, describe_epoll((unsigned)b, words, sizeof words));
        break;
    case TRACE_TIMER_ADD:
    case TRACE_TIMER_FIRE:
        put_deadline(rec, ev, to, size);
        break;
    case TRACE_TIMER_CANCEL:
        snprintf(to, size, "timer %u", ev->a);
        break;
    case TRACE_SYSCALL_BEGIN:
        put_call(ev, to, size);
        break;
    case TRACE_SYSCALL_END:
        put_call_end(ev, to, size);
        break;
    case TRACE_GUARD_ACQUIRE:
    case TRACE_GUARD_RELEASE:
    case TRACE_GUARD_WAIT:
        describe_lock(b, to, size);
        break;
    default:
        *to = '\0'; /* the kind says it all, unless it is one that this version does not know */
        if (!event_kind_name(ev->kind))
            snprintf(to, size, "a %u, b %llu", ev->a, b);
    }
    return to;
}
