#define _GNU_SOURCE /* syscall */
#include "futex.h"

#include "trace.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Mere counts: relaxed, without partners. Beside a system call they cost nothing; and in .data, where the loader has to
 * write anyway, no page of their own. */
static struct {
    _Atomic uint64_t waits, wakes;
} calls __attribute__((section(".data")));

struct futex_calls futex_calls(void)
{
    return (struct futex_calls){atomic_load_explicit(&calls.waits, memory_order_relaxed),
                                atomic_load_explicit(&calls.wakes, memory_order_relaxed)};
}

int futex_wait_bits(const _Atomic uint32_t *word, uint32_t expected, uint32_t bits, uint64_t deadline,
                    const struct site *at)
{
    struct timespec limit = {(time_t)(deadline / 1000000000), (long)(deadline % 1000000000)};

    atomic_fetch_add_explicit(&calls.waits, 1, memory_order_relaxed);
    TRACE_AT(SYSCALL_BEGIN, 0, TRACE_CALL_FUTEX_WAIT, TRACE_ARGS(0, expected), at);
    /* FUTEX_WAIT_BITSET and not FUTEX_WAIT: its limit is a moment on CLOCK_MONOTONIC and not a span, so a wait that is
     * interrupted and begun again does not begin its time again. */
    long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                          deadline == FUTEX_NO_DEADLINE ? NULL : &limit, NULL, bits);
    int error = result < 0 ? -errno : 0;
    TRACE_AT(SYSCALL_END, 0, TRACE_CALL_FUTEX_WAIT, error, at);
    if (error && error != -EAGAIN && error != -EINTR && error != -ETIMEDOUT)
        misuse(at, "futex_wait: errno %d", -error);
    return error;
}

int futex_wake_bits(const _Atomic uint32_t *word, int count, uint32_t bits, const struct site *at)
{
    atomic_fetch_add_explicit(&calls.wakes, 1, memory_order_relaxed);
    TRACE_AT(SYSCALL_BEGIN, 0, TRACE_CALL_FUTEX_WAKE, TRACE_ARGS(0, count), at);
    long result = syscall(SYS_futex, word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, count, NULL, NULL, bits);
    TRACE_AT(SYSCALL_END, 0, TRACE_CALL_FUTEX_WAKE, result < 0 ? -errno : (int)result, at);
    return result < 0 ? 0 : (int)result; /* it fails only where the address can be no word: nobody sleeps there */
}

int futex_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline, const struct site *at)
{
    return futex_wait_bits(word, expected, FUTEX_BITSET_MATCH_ANY, deadline, at);
}

int futex_wake(const _Atomic uint32_t *word, int count, const struct site *at)
{
    return futex_wake_bits(word, count, FUTEX_BITSET_MATCH_ANY, at);
}
