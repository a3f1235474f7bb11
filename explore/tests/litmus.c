#include "litmus.h"

#include "../explore.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct orders orders;

static atomic_uint x, y;
static unsigned plain;
static unsigned r[4]; /* what the threads have read; each writes its own */

#define STORE(a, v) atomic_store_explicit(&(a), v, orders.store)
#define LOAD(a)     atomic_load_explicit(&(a), orders.load)

#define THREAD(name)                                                                                                   \
    static void *name(void *arg);                                                                                      \
    static void *name(void *arg __attribute__((unused)))

typedef void *body(void *arg);

/* Runs up to four threads to their ends. */
static void run(body *const *threads, unsigned count)
{
    pthread_t ids[4];

    for (unsigned i = 0; i < count; i++)
        pthread_create(&ids[i], NULL, threads[i], NULL);
    for (unsigned i = 0; i < count; i++)
        pthread_join(ids[i], NULL);
}

#define RUN(...) run((body *const[]){__VA_ARGS__}, sizeof(body *const[]){__VA_ARGS__} / sizeof(body *))

/* ---- store buffering: each writes its own, then looks at the other's ---- */

THREAD(sb_left)
{
    STORE(x, 1);
    r[0] = LOAD(y);
    return NULL;
}

THREAD(sb_right)
{
    STORE(y, 1);
    r[1] = LOAD(x);
    return NULL;
}

void store_buffering(void)
{
    RUN(sb_left, sb_right);
    outcome(r[0] * 10 + r[1]);
}

/* Both make a read-modify-write of one word: whoever comes second sees the first. */
THREAD(rmw_left)
{
    r[0] = atomic_fetch_or_explicit(&x, 1, orders.store);
    return NULL;
}

THREAD(rmw_right)
{
    r[1] = atomic_fetch_or_explicit(&x, 2, orders.store);
    return NULL;
}

void store_buffering_by_rmw(void)
{
    RUN(rmw_left, rmw_right);
    outcome(r[0] * 10 + r[1]);
}

/* ---- message passing: data, then a flag ---- */

THREAD(mp_send)
{
    atomic_store_explicit(&x, 1, memory_order_relaxed);
    STORE(y, 1);
    return NULL;
}

THREAD(mp_receive)
{
    r[0] = LOAD(y);
    r[1] = atomic_load_explicit(&x, memory_order_relaxed);
    return NULL;
}

void message_passing(void)
{
    RUN(mp_send, mp_receive);
    outcome(r[0] * 10 + r[1]);
}

THREAD(mp_send_plain)
{
    plain = 1;
    STORE(y, 1);
    return NULL;
}

THREAD(mp_receive_plain)
{
    r[0] = LOAD(y);
    if (r[0])
        r[1] = plain;
    return NULL;
}

void message_passing_plain(void)
{
    RUN(mp_send_plain, mp_receive_plain);
    outcome(r[0] * 10 + r[1]);
}

/* What is done after the flag is not published by it. */
THREAD(mp_send_too_late)
{
    atomic_store_explicit(&y, 1, memory_order_release);
    atomic_store_explicit(&x, 1, memory_order_relaxed);
    plain = 1;
    return NULL;
}

void message_after(void)
{
    RUN(mp_send_too_late, mp_receive);
    outcome(r[0] * 10 + r[1]);
}

void broken_message_after(void)
{
    RUN(mp_send_too_late, mp_receive_plain);
}

/* ---- load buffering: each looks at the other's, then writes its own ---- */

THREAD(lb_left)
{
    r[0] = LOAD(y);
    STORE(x, 1);
    return NULL;
}

THREAD(lb_right)
{
    r[1] = LOAD(x);
    STORE(y, 1);
    return NULL;
}

void load_buffering(void)
{
    RUN(lb_left, lb_right);
    outcome(r[0] * 10 + r[1]);
}

/* ---- independent reads of independent writes: do two readers agree on the order of two writes? ---- */

THREAD(write_x)
{
    STORE(x, 1);
    return NULL;
}

THREAD(write_y)
{
    STORE(y, 1);
    return NULL;
}

THREAD(read_x_y)
{
    r[0] = LOAD(x);
    r[1] = LOAD(y);
    return NULL;
}

THREAD(read_y_x)
{
    r[2] = LOAD(y);
    r[3] = LOAD(x);
    return NULL;
}

void iriw(void)
{
    RUN(write_x, write_y, read_x_y, read_y_x);
    outcome(r[0] * 1000 + r[1] * 100 + r[2] * 10 + r[3]);
}

/* ---- coherence ---- */

THREAD(read_x_twice)
{
    r[0] = LOAD(x);
    r[1] = LOAD(x);
    return NULL;
}

THREAD(write_x_twice)
{
    STORE(x, 1);
    STORE(x, 2);
    return NULL;
}

void coherence_read_read(void)
{
    RUN(write_x_twice, read_x_twice);
    outcome(r[0] * 10 + r[1]);
}

THREAD(write_and_read_x)
{
    STORE(x, 2);
    r[0] = LOAD(x);
    return NULL;
}

void coherence_write_read(void)
{
    RUN(write_x, write_and_read_x);
    outcome(r[0]);
}

/* A read that happened before, in another thread, binds as well. */
THREAD(read_x_and_tell)
{
    r[0] = atomic_load_explicit(&x, memory_order_relaxed);
    atomic_store_explicit(&y, 1, memory_order_release);
    return NULL;
}

THREAD(hear_and_read_x)
{
    r[1] = atomic_load_explicit(&y, memory_order_acquire);
    r[2] = atomic_load_explicit(&x, memory_order_relaxed);
    return NULL;
}

void coherence_across_threads(void)
{
    RUN(write_x, read_x_and_tell, hear_and_read_x);
    outcome(r[0] * 100 + r[1] * 10 + r[2]);
}

THREAD(write_x_2)
{
    STORE(x, 2);
    return NULL;
}

void two_writers(void)
{
    RUN(write_x, write_x_2);
    outcome(atomic_load_explicit(&x, memory_order_relaxed));
}

/* ---- release sequences: a read-modify-write in between passes on what was released, a store does not ---- */

THREAD(rs_release)
{
    plain = 1;
    atomic_store_explicit(&x, 1, memory_order_release);
    return NULL;
}

THREAD(rs_modify)
{
    atomic_fetch_add_explicit(&x, 10, memory_order_relaxed);
    return NULL;
}

THREAD(rs_acquire)
{
    unsigned seen = atomic_load_explicit(&x, memory_order_acquire);
    if (seen % 10 == 1)
        r[0] = plain;
    r[1] = seen == 11;
    return NULL;
}

void release_sequence(void)
{
    RUN(rs_release, rs_modify, rs_acquire);
    outcome(r[0] * 10 + r[1]);
}

THREAD(rs_overwrite)
{
    if (atomic_load_explicit(&x, memory_order_relaxed) == 1)
        atomic_store_explicit(&x, 11, memory_order_relaxed);
    return NULL;
}

void release_sequence_broken(void)
{
    RUN(rs_release, rs_overwrite, rs_acquire);
}

/* ---- read-modify-writes ---- */

THREAD(count_twice)
{
    atomic_fetch_add_explicit(&x, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&x, 1, memory_order_relaxed);
    return NULL;
}

void rmw_counts(void)
{
    RUN(count_twice, count_twice, count_twice);
    outcome(atomic_load_explicit(&x, memory_order_relaxed));
}

/* A compare-exchange that fails is a load, and may fail for an old value: even after y was seen, x may seem to be 0. */
THREAD(write_5_and_y)
{
    atomic_store_explicit(&x, 5, memory_order_relaxed);
    STORE(y, 1);
    return NULL;
}

THREAD(exchange_5)
{
    unsigned expected = 5;
    r[0] = LOAD(y);
    r[1] = atomic_compare_exchange_strong_explicit(&x, &expected, 7, memory_order_relaxed, memory_order_relaxed);
    return NULL;
}

void failed_exchange(void)
{
    RUN(write_5_and_y, exchange_5);
    outcome(r[0] * 10 + r[1]);
}

/* ---- programs that break something ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, second_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

void broken_deadlock(void)
{
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
}

THREAD(lock_both)
{
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&second_lock);
    pthread_mutex_unlock(&second_lock);
    pthread_mutex_unlock(&lock);
    return NULL;
}

THREAD(lock_both_the_other_way)
{
    pthread_mutex_lock(&second_lock);
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&second_lock);
    return NULL;
}

void broken_lock_order(void)
{
    RUN(lock_both, lock_both_the_other_way);
}

THREAD(wait_for_x)
{
    while (atomic_load_explicit(&x, memory_order_acquire) == 0)
        ;
    return NULL;
}

void broken_livelock(void)
{
    RUN(wait_for_x, wait_for_x);
}

void broken_leak(void)
{
    *(volatile char *)malloc(10) = 1;
}

void broken_double_free(void)
{
    void *volatile memory = malloc(10);
    free(memory);
    free(memory);
}

void broken_use_after_free(void)
{
    char *volatile memory = malloc(10);
    free(memory);
    *(volatile char *)&memory[3] = 1;
}

void broken_use_after_free_atomic(void)
{
    atomic_uint *volatile memory = malloc(sizeof *memory);
    atomic_init(memory, 0);
    free((void *)memory);
    atomic_fetch_add_explicit(memory, 1, memory_order_relaxed);
}

THREAD(write_plain)
{
    plain = 1;
    return NULL;
}

void broken_race(void)
{
    RUN(write_plain, write_plain);
}

/* The last one to let go frees; but a relaxed count does not say what the others did before. */
static struct shared {
    atomic_uint owners;
    unsigned value;
} * shared;

THREAD(use_and_let_go)
{
    (void)*(volatile unsigned *)&shared->value;
    if (atomic_fetch_sub_explicit(&shared->owners, 1, memory_order_relaxed) == 1)
        free(shared);
    return NULL;
}

void broken_race_on_free(void)
{
    shared = malloc(sizeof *shared);
    *shared = (struct shared){.owners = 2};
    RUN(use_and_let_go, use_and_let_go);
}

/* Published before it is complete. */
static struct shared *_Atomic published;

THREAD(publish)
{
    struct shared *made = malloc(sizeof *made);
    made->value = 0;
    atomic_init(&made->owners, 1);
    atomic_store_explicit(&published, made, memory_order_relaxed);
    return NULL;
}

THREAD(use_published)
{
    struct shared *found = atomic_load_explicit(&published, memory_order_acquire);
    if (found)
        r[0] = found->value;
    return NULL;
}

void broken_init_race(void)
{
    RUN(publish, use_published);
    free(atomic_load_explicit(&published, memory_order_relaxed));
}

void broken_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

THREAD(set_plain_and_signal)
{
    pthread_mutex_lock(&lock);
    plain = 1;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&lock);
    return NULL;
}

void broken_if_for_while(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, set_plain_and_signal, NULL);
    pthread_mutex_lock(&lock);
    if (plain == 0)
        pthread_cond_wait(&cond, &lock);
    EXPECT(plain == 1);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
}

void broken_lost_signal(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, set_plain_and_signal, NULL);
    pthread_mutex_lock(&lock);
    bool set = plain;
    pthread_mutex_unlock(&lock);
    pthread_mutex_lock(&lock);
    if (!set)
        pthread_cond_wait(&cond, &lock);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
}

/* The blink of x is seen by a reader who comes in between and is itself stopped between its looks. */
THREAD(blink)
{
    atomic_store_explicit(&x, 1, memory_order_seq_cst);
    atomic_store_explicit(&x, 0, memory_order_seq_cst);
    return NULL;
}

THREAD(look_twice)
{
    r[0] = atomic_load_explicit(&x, memory_order_seq_cst);
    r[1] = atomic_load_explicit(&x, memory_order_seq_cst);
    return NULL;
}

void broken_two_preemptions(void)
{
    RUN(blink, look_twice);
    EXPECT(!(r[0] == 1 && r[1] == 0));
}

/* ---- programs that are right ---- */

THREAD(spin_lock_and_count)
{
    unsigned expected = 0;

    while (!atomic_compare_exchange_weak_explicit(&x, &expected, 1, memory_order_acquire, memory_order_relaxed))
        expected = 0;
    plain++;
    atomic_store_explicit(&x, 0, memory_order_release);
    return NULL;
}

void right_spin_lock(void)
{
    RUN(spin_lock_and_count, spin_lock_and_count, spin_lock_and_count);
    EXPECT(plain == 3);
}

void right_condition(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, set_plain_and_signal, NULL);
    pthread_mutex_lock(&lock);
    while (plain == 0)
        pthread_cond_wait(&cond, &lock);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    outcome(plain);
}

/* A wait with a deadline ends either way. */
void right_timed_wait(void)
{
    struct timespec limit = {2, 0};
    pthread_t thread;
    int error = 0;

    pthread_create(&thread, NULL, set_plain_and_signal, NULL);
    pthread_mutex_lock(&lock);
    while (plain == 0 && error == 0)
        error = pthread_cond_timedwait(&cond, &lock, &limit);
    unsigned end = plain * 10 + (error == ETIMEDOUT);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    outcome(end);
}

static _Thread_local unsigned local = 3;

THREAD(count_local)
{
    local++;
    sched_yield();
    local++;
    EXPECT(local == 5);
    return NULL;
}

void right_locals(void)
{
    local = 7;
    RUN(count_local, count_local);
    EXPECT(local == 7);
}

static unsigned initialised = 4;

void right_statics(void)
{
    EXPECT(initialised == 4 && plain == 0);
    initialised = plain = 9;
    RUN(sb_left, sb_right);
}
