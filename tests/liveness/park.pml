/* SPDX-License-Identifier: MIT */
/*
 * Liveness: a token that is given is consumed, if the owner keeps parking, however many unparks,
 * parks, deadlines and stray wakes there are. The explorer (tests/model) runs the source, and ends;
 * this runs an abstraction of it, for ever.
 *
 * What stands in table.pml is generated from the table at the top of src/park.c, by the script
 * beside this file: the operations give, consume, arm and take, each one step. Here is who does them
 * when.
 *
 * Every process goes on (weak fairness), but for what it may leave undone for ever: an unparker
 * need not begin an unpark, a sleep need not end without cause, and a deadline need not come. So
 * none of these can make up for a wake that is lost.
 *
 * -DSHARED: a parker between processes, whose unparker may die between its give and its wake. Then
 * the token is consumed if some other unparker does not stop.
 */
byte state; /* EMPTY */
bool asleep; /* the owner, in the kernel's queue */
bool armed;  /* the mark of a shared parker */
bool timed;  /* this park has a deadline, */
bool late;   /* which has come */

#include "table.pml"

/* The kernel compares the word and queues the thread in one step. */
inline sleep_while_parked()
{
#ifdef SLEEPS_WITHOUT_LOOKING
    asleep = true;
#else
    d_step {
        if
        :: state == PARKED -> asleep = true
        :: else -> skip
        fi
    }
#endif
    !asleep
}

active proctype owner()
{
    byte seen;
    bool success;
    do
    :: d_step { late = false; timed = false }
       if
       :: timed = true
       :: true -> skip
       fi
       consume(success);
       if
       :: success -> skip
       :: else ->
            armed = true;
            arm(success);
            if
            :: !success ->
                 take(seen);
                 assert(seen == NOTIFIED);
                 armed = false
            :: else ->
                 do
                 :: sleep_while_parked();
                    consume(success);
                    if
                    :: success -> break
                    :: !success && late -> take(seen); break
                    :: else -> skip
                    fi
                 od;
                 armed = false
            fi
       fi
    od
}

inline unpark(may_die)
{
    give(seen);
    owes = seen == PARKED;
#ifdef SHARED
    if
    :: may_die -> break /* before its wake */
    :: true -> skip
    fi;
#ifndef NO_MARK
    owes = owes || (seen == NOTIFIED && armed);
#endif
#endif
#ifndef DROPS_ITS_WAKE
    if
    :: owes -> asleep = false
    :: else -> skip
    fi
#endif
}

active proctype unparker()
{
    byte seen;
    bool owes;
    do
    :: unpark(true)
#ifndef SHARED
    :: true -> skip
#endif
    :: break
    od
}

active proctype another_unparker()
{
    byte seen;
    bool owes;
    do
    :: unpark(false)
#ifndef SHARED
    :: true -> skip
#endif
    od
}

/* Stray wakes, and deadlines. */
active proctype nature()
{
    do
    :: asleep = false
    :: d_step { timed && asleep -> late = true; asleep = false }
    :: true -> skip
    od
}

ltl taken { [] (state == NOTIFIED -> <> (state != NOTIFIED)) }
