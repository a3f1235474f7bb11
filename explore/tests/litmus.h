/* The small programs by which memory models are told apart, with the orders as parameters. */
#ifndef LITMUS_H
#define LITMUS_H

/* What a run ends with: up to four values that its threads have read, as the digits of one number. */
void outcome(unsigned digits);

struct orders {
    int store, load;
};
extern struct orders orders;

void store_buffering(void);
void store_buffering_by_rmw(void);
void message_passing(void);
void message_passing_plain(void);
void message_after(void);
void load_buffering(void);
void iriw(void);
void coherence_read_read(void);
void coherence_write_read(void);
void coherence_across_threads(void);
void two_writers(void);
void release_sequence(void);
void release_sequence_broken(void);
void rmw_counts(void);
void failed_exchange(void);

/* And programs that break something. */
void broken_deadlock(void);
void broken_lock_order(void);
void broken_livelock(void);
void broken_leak(void);
void broken_double_free(void);
void broken_use_after_free(void);
void broken_use_after_free_atomic(void);
void broken_race(void);
void broken_message_after(void);
void broken_race_on_free(void);
void broken_init_race(void);
void broken_unlock(void);
void broken_if_for_while(void);
void broken_lost_signal(void);
void broken_two_preemptions(void);

/* And some that do not. */
void right_spin_lock(void);
void right_condition(void);
void right_timed_wait(void);
void right_locals(void);
void right_statics(void);

#endif
