/* A reader-writer lock: many threads that read, or one that writes.
 *
 * Writers come first: from the moment a writer waits, new readers hold back, so a writer waits for those readers that
 * are in already and not for the ones that keep coming. Readers, in turn, wait behind every writer that is there. That
 * suits data that is read often and seldom written; where writers come without a pause, take a mutex.
 *
 * For the same reason a thread that reads must not begin to read once more: a writer that waits between the two holds
 * it back, and waits for it.
 *
 * {0} is one that is free; there is nothing to destroy. At most 32,767 threads read, and as many writers wait. */
#ifndef RWLOCK_H
#define RWLOCK_H

#include "site.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rwlock {
    _Atomic uint32_t state;  /* rwlock.c */
    _Atomic uint32_t number; /* guard_number */
};

static inline void rwlock_init(struct rwlock *rw)
{
    atomic_init(&rw->state, 0);
    atomic_init(&rw->number, 0);
}

/* To read, and to write: takes the lock, sleeping until that is possible; or only if it is possible now, and says
 * whether; gives it back. A lock that is given back may be taken, and freed, by another thread before the call has
 * returned. Giving back what is not taken aborts with the caller's line. */
#define rwlock_read_lock(rw)     rwlock_read_lock_at(rw, SITE(#rw))
#define rwlock_read_trylock(rw)  rwlock_read_trylock_at(rw, SITE(#rw))
#define rwlock_read_unlock(rw)   rwlock_read_unlock_at(rw, SITE(#rw))
#define rwlock_write_lock(rw)    rwlock_write_lock_at(rw, SITE(#rw))
#define rwlock_write_trylock(rw) rwlock_write_trylock_at(rw, SITE(#rw))
#define rwlock_write_unlock(rw)  rwlock_write_unlock_at(rw, SITE(#rw))

void rwlock_read_lock_at(struct rwlock *rw, const struct site *at);
bool rwlock_read_trylock_at(struct rwlock *rw, const struct site *at);
void rwlock_read_unlock_at(struct rwlock *rw, const struct site *at);
void rwlock_write_lock_at(struct rwlock *rw, const struct site *at);
bool rwlock_write_trylock_at(struct rwlock *rw, const struct site *at);
void rwlock_write_unlock_at(struct rwlock *rw, const struct site *at);

#endif
