/* How a call, its cancel, and the ends of an actor get along: a model for Spin. ./dev model checks it.
 *
 * There are two runs, the owner and the actor, and a FIFO each way between them. The owner makes a
 * call (OURS), whose operation may call back (THEIRS). Each caller may be cancelled at any time, the
 * block of the actor may end, gently or not, or be cancelled, at any time, and there may be faults:
 *
 *     a process is killed; so the link ends, after any part of what was under way, and the process
 *     ends, and the other one learns of the two in either order
 *     the actor is stuck, for a while or for ever (a thread: for a while)
 *     either end breaks the session: no memory, or a frame that cannot be
 *
 * What is checked, in each order of events:
 *
 *     no call is settled, or answered, twice (settle, answer_down, answer_up)
 *     each call is settled in the end, also one that is cancelled; the keeper ends; so does the
 *     actor, if its owner is killed (End, and as LTL)
 *     when a call returns its operation has ended (Caller, ActorServes)
 *     a cancel that has come is acknowledged; what has been said is heard: an answer, or how the
 *     actor ended, is not lost in its end (Keeper)
 *     if there was no fault the ladder is not needed: no grace runs out (the_grace_is_over)
 *
 * Nothing in the model goes on without end, so the graph of states has no cycles, and each run comes
 * to an end: one that is not good is found there. Processes wait in the middle of what they do when
 * their run is dead, so pan has to be told not to look at that (-E); End looks.
 *
 * Switches: FAULTS: so many at most; a grace that ends early is one. THREAD: the actor is a thread,
 * and cannot be killed. CALLBACK: with THEIRS. MUTANT: one of the mistakes below, each of which has
 * to be found.
 * SPDX-License-Identifier: MIT */

#define NONE 0
#define NO_ACK 1         /* a cancel of what has ended is not acknowledged */
#define DROP_CANCEL 2    /* a cancel does not reach the operation */
#define SETTLE_TWICE 3   /* a call that is settled stays on the table */
#define ANSWER_TWICE 4   /* an operation that is cancelled answers, and so does its end */
#define RETURN_AT_ONCE 5 /* a cancelled caller does not wait for the outcome */
#define NO_HANG_UP 6     /* a session that breaks at one end leaves the link as it is */
#define FAIL_AT_ONCE 7   /* a session that breaks fails the owner's calls before the actor is over */
#define DEAF 8           /* the process is over, and what it said last is not read */
#define BYE_IF_KNOWN 9   /* who has not said HELLO is not told to end */
#define CALLS_LAST 10    /* the actor leaves without waiting for its calls */
#define NO_WATCH 11      /* the end of the link is taken for that of the process */
#define NO_LAST_RESORT 12 /* an orphan that is stuck stays */
#ifndef MUTANT
#define MUTANT NONE
#endif
#ifndef FAULTS
#define FAULTS 1
#endif

/* A grace ends when nothing else can happen, and that never comes without a fault; or early, which
 * is one: the other end is too slow. */
#define GRACE (faults > 0 || timeout)
bool in_grace; /* the keeper is */
inline the_grace_is_over() {
    if
    :: faults > 0 -> faults--
    :: else -> assert(FAULTS > 0)
    fi
}

#ifdef THREAD
#define KILLABLE false
#else
#define KILLABLE true
#endif

mtype = { HELLO, SPEC, READY, CALL, CANCEL, CANCEL_ACK, ANSWER, BYE, BYE_ACK, LEAVING, ENDED };
#define OURS 0
#define THEIRS 1

chan down = [6] of { mtype, bit, bit }; /* to the actor */
chan up = [11] of { mtype, bit, bit };  /* to the owner */

byte faults = FAULTS;

/* --- the owner: struct bough_actor, its session, the block --- */

bool o_dead;                     /* killed */
bool o_broken;                   /* session->broken */
bool o_stopping;                 /* session->stopping */
bool identified, ready, acknowledged, leaving, outcome, stuck, lost, over;
bool asked_gently, asked_hard;
bool cancelled;                  /* the scope that the keeper is in */
bool is_up, gone;
bit unacknowledged;
#define dying (over || lost || stuck || o_broken)
#define O(condition) (!o_dead && (condition))

/* --- the actor: struct self, its session --- */

bool a_dead;                     /* it has ended, or was killed */
bool cut;                        /* what it has said last may not arrive */
bool said_ended;
bool a_stuck;                    /* it does not get to run */
bool a_broken;
bool told, asked_to_end, life;   /* life: its scope is cancelled */
bool accepting;
#define A(condition) (!a_dead && !a_stuck && (condition))

/* --- the two calls --- */

bool may_cancel[2];  /* who calls may want to; else the operation ends by itself */
bool open[2];        /* at the caller's end (struct asking: it is on the table) */
bit settled[2];
bool cancel_sent[2], cancel_came[2], ack_sent[2];
bool running[2];     /* there, the operation */
bool served[2];      /* there, it is on the table (d.open) */
bool scope[2];       /* there, the operation's scope is cancelled */
bit answered[2];
bool returned;       /* OURS */

/* --- sessions --- */

/* The end of a process: what nobody can see any more is cleared, to have fewer states. */
inline a_ends() {
    a_dead = true;
    a_stuck = false; a_broken = true;
    told = false; asked_to_end = false; life = false; accepting = false;
    open[THEIRS] = false; running[OURS] = false; served[OURS] = false; scope[OURS] = false;
    do
    :: nempty(down) -> down?_, _, _
    :: empty(down) -> break
    od
}
inline o_ends() {
    o_dead = true;
    o_broken = true; o_stopping = true; stuck = false; lost = false; over = false;
    identified = false; ready = false; acknowledged = false; leaving = false; outcome = false;
    asked_gently = false; asked_hard = false; cancelled = false; is_up = false; unacknowledged = 0;
    in_grace = false;
    open[OURS] = false; running[THEIRS] = false; served[THEIRS] = false; scope[THEIRS] = false;
    do
    :: nempty(up) -> up?_, _, _
    :: empty(up) -> break
    od
}

/* session_send(): what is for nobody is dropped. */
inline say_down(m, c, f) {
    if
    :: o_broken || a_dead || a_broken -> skip
    :: else -> assert(nfull(down)); down!m(c, f)
    fi
}
inline say_up(m, c, f) {
    if
    :: a_broken || o_dead || gone -> skip
    :: else -> assert(nfull(up)); up!m(c, f)
    fi
}

/* serve.c: say_outcome(), if the caller is there. */
inline answer_down(c) {
    if
    :: served[c] -> assert(!answered[c]); answered[c] = 1; say_down(ANSWER, c, 0)
    :: else
    fi;
    served[c] = (MUTANT == ANSWER_TWICE)
}
inline answer_up(c) {
    if
    :: served[c] -> assert(!answered[c]); answered[c] = 1; say_up(ANSWER, c, 0)
    :: else
    fi;
    served[c] = false
}

/* ask.c: settle(). */
inline settle(c) {
    assert(settled[c] == 0);
    settled[c] = 1;
    open[c] = (MUTANT == SETTLE_TWICE)
}

/* session_break(), in the owner: its calls fail when the actor is over. */
inline o_fail_open() {
    if :: open[OURS] -> settle(OURS) :: else fi;
    scope[THEIRS] = true;
    served[THEIRS] = false
}
#define the_link_ends (a_dead || (a_broken && MUTANT != NO_HANG_UP))
inline o_break() {
    o_broken = true;
    if :: MUTANT == FAIL_AT_ONCE -> o_fail_open() :: else fi
}

/* session_break(), in the actor. */
inline a_break() {
    if :: open[THEIRS] -> settle(THEIRS) :: else fi;
    scope[OURS] = true;
    served[OURS] = false;
    a_broken = true
}

/* serve.c: serve_call(), in the reader. */
inline serve_call(c) {
    running[c] = true; served[c] = true
}

/* session.c: to_context(), of a cancel; serve.c: request_came(). */
inline cancel_comes(c) {
    cancel_came[c] = (c == OURS && !a_broken) || (c == THEIRS && !o_broken);
    if
    :: served[c] && MUTANT != DROP_CANCEL -> scope[c] = true
    :: else
    fi;
    ack_sent[c] = !(MUTANT == NO_ACK && !served[c])
}

/* --- the owner's tasks --- */

/* session.c: read_all() and dispatch(), with keeper.c: control(), lost(). */
proctype OwnerReader() {
    mtype m; bit c, f;
    do
    :: atomic { O(!gone && nempty(up)) -> up?m(c, f);
        if
        :: o_broken && MUTANT != NO_HANG_UP
        :: else ->
            if
            :: m == HELLO -> identified = true
            :: m == READY -> ready = identified
            :: m == BYE_ACK -> acknowledged = true
            :: m == LEAVING -> leaving = true
            :: m == ENDED -> outcome = true
            :: m == CALL -> serve_call(THEIRS)
            :: m == CANCEL ->
                cancel_comes(THEIRS);
                if :: ack_sent[THEIRS] -> say_down(CANCEL_ACK, THEIRS, 0) :: else fi
            :: m == CANCEL_ACK -> unacknowledged = 0
            :: m == ANSWER ->
                if :: open[OURS] -> settle(OURS) :: else fi
            fi
        fi;
        c = 0; f = 0; m = 0;
        if :: o_broken -> break :: else fi }
    :: O(!gone && o_broken && MUTANT != NO_HANG_UP) -> break
    :: O(!gone && the_link_ends && (cut || empty(up))) -> break
    od;
    atomic { O(!gone) -> lost = true }
}

/* keeper.c: watch(). */
proctype Watcher() {
    O(a_dead && !gone && MUTANT != NO_WATCH) -> over = true
}

/* session.c: unanswered(). */
proctype Unanswered() {
    atomic { O(!gone && !stuck && unacknowledged && GRACE) -> the_grace_is_over(); stuck = true }
}

/* keeper.c: say_bye(). */
inline say_bye(hard) {
    o_stopping = asked_gently;
    if
    :: MUTANT == BYE_IF_KNOWN && (dying || !identified) -> skip
    :: else -> say_down(BYE, 0, hard)
    fi
}

/* keeper.c: keep(). */
proctype Keeper() {
    bool failed, gentle;
    /* be_up() */
    atomic {
        if
        :: O(identified || dying) -> if :: identified -> say_down(SPEC, 0, 0) :: else fi
        :: O(cancelled) -> failed = true; goto to_end
        fi
    };
    atomic {
        if
        :: O(ready) -> is_up = true
        :: O(!ready && (outcome || dying)) -> failed = true; goto to_end
        :: O(cancelled) -> failed = true; goto to_end
        fi
    };
    atomic {
        if
        :: O(asked_gently || outcome || dying)
        :: O(cancelled) -> failed = true
        fi
    };
to_end: /* end() */
    atomic {
        O(true) -> gentle = !failed && !asked_hard && !dying;
        if :: gentle -> say_bye(0); in_grace = true :: else fi
    };
    if
    :: gentle -> /* end_gently() */
        atomic {
            if
            :: O(acknowledged || dying)
            :: O(GRACE && !(acknowledged || dying)) -> the_grace_is_over(); stuck = true
            fi;
            in_grace = false
        };
        atomic {
            if
            :: O(leaving || outcome || asked_hard || dying)
            :: O(cancelled) -> failed = true
            fi
        }
    :: else
    fi;
    atomic {
        O(true) -> if :: failed -> asked_gently = true; asked_hard = true :: else fi;
        if :: asked_hard || !gentle -> say_bye(1) :: else fi;
        gentle = false; failed = false;
        in_grace = true
    };
    atomic {
        if
        :: O(over)
        :: O(!over && (stuck || !identified))
        :: O(GRACE && !over && !(stuck || !identified)) -> the_grace_is_over()
        fi;
        in_grace = false;
        /* see_it_end() */
        if
        :: KILLABLE && !over && !a_dead -> a_ends(); cut = true
        :: else
        fi
    };
    O(over || (MUTANT == NO_WATCH && lost));
    O(lost || o_broken || MUTANT == DEAF);
    /* autopsy(), break_session() */
    atomic {
        O(true) ->
        assert(outcome || !said_ended || cut || o_broken);
        assert(!open[OURS] || !answered[OURS] || cut || o_broken);
        assert(!(unacknowledged && cancel_came[OURS]) || cut || o_broken);
        o_broken = true;
        o_fail_open();
        assert(a_dead && !open[OURS]);
        gone = true
    }
}

/* ask.c: bough_call(). */
proctype Caller() {
    atomic {
        O(is_up) ->
        if
        :: o_broken || o_stopping -> goto done /* it fails at once */
        :: else -> open[OURS] = true; say_down(CALL, OURS, 0)
        fi
    };
    if
    :: O(settled[OURS])
    :: atomic { O(may_cancel[OURS] && !settled[OURS]) -> /* hand_on(), cancel() */
        cancel_sent[OURS] = true;
        unacknowledged = !stuck;
        say_down(CANCEL, OURS, 0) };
        O(settled[OURS] || MUTANT == RETURN_AT_ONCE)
    fi;
    assert(!running[OURS]);
done:
    returned = true
}

/* serve.c: serve(), of what the actor asks us for. */
proctype OwnerServes() {
    atomic {
        O(running[THEIRS] && (!may_cancel[THEIRS] || scope[THEIRS])) ->
        running[THEIRS] = false;
        answer_down(THEIRS)
    }
}

/* Who has the block: actors.c. */
proctype Block() {
    if
    :: O(is_up) -> O(returned) -> asked_gently = true /* the end of the body */
    :: O(is_up) -> asked_gently = true                /* bough_actor_stop(), in another task */
    :: atomic { O(is_up) -> asked_gently = true; asked_hard = true }
    :: O(!is_up) -> cancelled = true                  /* bough_actor_start() is */
    fi;
    if
    :: O(!asked_hard && !cancelled) -> cancelled = true
    :: O(true)
    fi
}

/* --- the actor's tasks --- */

/* self.c: end(). */
inline a_end(now) {
    asked_to_end = true;
    if :: now -> life = true; scope[OURS] = true :: else fi
}

/* session.c: read_all() and dispatch(), with self.c: self_control(), self_lost(). */
proctype ActorReader() {
    mtype m; bit c, f;
    do
    :: atomic { A(nempty(down)) -> down?m(c, f);
        if
        :: a_broken && MUTANT != NO_HANG_UP
        :: else ->
            if
            :: m == SPEC -> told = true
            :: m == BYE -> a_end(f); say_up(BYE_ACK, 0, 0)
            :: m == CALL ->
                if
                :: accepting -> serve_call(OURS); if :: life -> scope[OURS] = true :: else fi
                :: else -> served[OURS] = true; answer_up(OURS) /* an error */
                fi
            :: m == CANCEL ->
                cancel_comes(OURS);
                if :: MUTANT == ANSWER_TWICE && served[OURS] -> answered[OURS] = 1; say_up(ANSWER, OURS, 0) :: else fi;
                if :: ack_sent[OURS] -> say_up(CANCEL_ACK, OURS, 0) :: else fi
            :: m == CANCEL_ACK
            :: m == ANSWER ->
                if :: open[THEIRS] -> settle(THEIRS) :: else fi
            fi
        fi;
        c = 0; f = 0; m = 0;
        if :: a_broken -> break :: else fi }
    :: A(a_broken && MUTANT != NO_HANG_UP) -> break
    :: A(o_dead || gone || (o_broken && MUTANT != NO_HANG_UP)) -> break
    od;
    atomic { A(true) -> if :: !a_broken -> cut = true; a_break() :: else fi; a_end(true) }
}

/* self.c: self_main(). */
proctype Self() {
    atomic { A(true) -> say_up(HELLO, 0, 0) };
    atomic {
        A(told || asked_to_end || a_broken) -> /* be_told() */
        if
        :: !told -> goto ended
        :: else
        fi
    };
    atomic {
        if
        :: A(true) -> goto ended /* the setup fails */
        :: A(true) -> accepting = true; say_up(READY, 0, 0) /* serve_all() */
        fi
    };
    atomic { A(asked_to_end) -> accepting = false };
    atomic { A(!running[OURS] || MUTANT == CALLS_LAST) -> say_up(LEAVING, 0, 0) };
ended:
    atomic { A(true) -> if :: !a_broken -> said_ended = true :: else fi; say_up(ENDED, 0, 0) };
    atomic { A(true) -> if :: !a_broken -> a_break() :: else fi };
    atomic { A(true) -> assert(!running[OURS] && !open[THEIRS]); a_ends() }
}

/* serve.c: serve(), with a bough_call() in it. */
proctype ActorServes() {
#ifdef CALLBACK
    if
    :: A(running[OURS])
    :: atomic { A(running[OURS] && !a_broken) -> open[THEIRS] = true; say_up(CALL, THEIRS, 0) };
        if
        :: A(settled[THEIRS])
        :: atomic { A(!settled[THEIRS] && (may_cancel[THEIRS] || scope[OURS])) ->
            cancel_sent[THEIRS] = true;
            say_up(CANCEL, THEIRS, 0) };
            A(settled[THEIRS])
        fi;
        A(true) -> assert(!running[THEIRS] || a_broken || o_broken)
    fi;
#endif
    atomic {
        A(running[OURS] && (!may_cancel[OURS] || scope[OURS])) ->
        running[OURS] = false;
        answer_up(OURS)
    }
}

/* --- the world --- */

proctype World() {
    do
    :: atomic { faults > 0 && KILLABLE && !a_dead -> faults--; a_ends(); cut = true }
    :: atomic { faults > 0 && KILLABLE && !o_dead && !gone -> faults--; o_ends() }
    :: atomic { faults > 0 && !a_dead && !a_stuck -> faults--; a_stuck = true }
    :: atomic { faults > 0 && !o_broken -> faults--; o_break() }
    :: atomic { faults > 0 && !a_broken && !a_dead -> faults--; cut = true; a_break() }
    :: a_stuck -> a_stuck = false; goto later
    :: KILLABLE && a_stuck -> break
    od;
    /* place_process.c: the last resort of an orphan that is stuck */
    atomic { o_dead && a_stuck && MUTANT != NO_LAST_RESORT -> a_ends() };
later:
    skip
}

/* Who is stuck for ever, and has acknowledged all that he was told, is waited for, as an operation
 * may take as long as it likes: until somebody loses patience. */
#define is_waited_for (a_stuck && !o_dead && !asked_hard && !cancelled && !unacknowledged)

/* Nothing can happen any more, and no grace is under way: how does it look? */
proctype End() {
    atomic {
        timeout && !in_grace && !(unacknowledged && !stuck && !gone) ->
        if
        :: is_waited_for
        :: else ->
            assert(o_dead || gone);
            assert(a_dead);
            assert(!open[OURS] && !open[THEIRS]);
            assert(!running[OURS] && !running[THEIRS])
        fi
    }
}

init {
    atomic {
        if :: may_cancel[OURS] = true :: skip fi;
#ifdef CALLBACK
        if :: may_cancel[THEIRS] = true :: skip fi;
        run OwnerServes();
#endif
        run Keeper(); run OwnerReader(); run Watcher(); run Unanswered(); run Caller(); run Block();
        run Self(); run ActorReader(); run ActorServes();
        run World(); run End()
    }
}

/* --- over time --- */

ltl the_keeper_ends { <> (gone || o_dead) }
ltl the_actor_ends { <> a_dead }
ltl a_cancel_is_never_lost { [] (cancel_sent[OURS] -> <> (settled[OURS] || o_dead)) }
ltl every_call_settles { [] (open[OURS] -> <> (settled[OURS] || o_dead)) }
ltl every_call_back_settles { [] (open[THEIRS] -> <> (settled[THEIRS] || a_dead)) }
ltl what_is_cancelled_ends { [] (cancel_came[OURS] -> <> !running[OURS]) }
