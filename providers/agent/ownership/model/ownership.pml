/*
 * The ownership protocol of one account on two servers (see docs/protocol-model.md).
 *
 * Server 0 is the source, server 1 the transit server. Every guard stands in a
 * macro G_x that -DMUT_x takes away. Budgets of faults are macros too: the
 * runner (run/main.go) holds the table of configurations and mutants.
 *
 * Comments of the form "T: from event to" mark the writes of a record; the
 * runner compares them with transitions.txt.
 */

/* ---- budgets of a configuration ---- */
#ifndef OPS1
#define OPS1 1          /* operations that run 1 may begin */
#endif
#ifndef OPS2
#define OPS2 0          /* the same for run 2; 0: there is no run 2 */
#endif
#ifndef MENU1
#define MENU1 3         /* what run 1 may do: sum of M_x */
#endif
#ifndef MENU2
#define MENU2 4
#endif
#ifndef KILLS
#define KILLS 0         /* agents killed and started again, same boot */
#endif
#ifndef REBOOTS
#define REBOOTS 0       /* servers that lose power and boot again */
#endif
#ifndef LATE
#define LATE 0          /* messages late, doubled, or with a lost answer */
#endif
#ifndef LATEMASK
#define LATEMASK 65535  /* which messages may: bit (message - S_PAIR) */
#endif
#ifndef DOORF
#define DOORF 0         /* doors that open by themselves under a live agent */
#endif
#ifndef WRITES
#define WRITES 2        /* writes of the users, one bit each */
#endif
#ifndef SNAPS
#define SNAPS 0         /* restores of an old record */
#endif
#ifndef SLOTS
#define SLOTS 0         /* records whose two slots become unreadable */
#endif
#ifndef DEATHS
#define DEATHS 0        /* servers declared lost */
#endif
#ifndef RETURNS
#define RETURNS 0       /* declared-lost servers that come back all the same */
#endif

#define M_OUT    1      /* cutover 0 -> 1 */
#define M_BACK   2      /* cutover 1 -> 0 */
#define M_ABORT  4      /* thaw whatever is seen frozen */
#define M_WIPE   8      /* seal, reinstallation, stub */
#define M_UNSEAL 16
#define M_RETIRE 32
#define M_UNSTG  64

/* ---- record states ---- */
#define UNM  0          /* no record, known since the beginning: lives here */
#define UNK  1          /* no record, fresh or reinstalled machine: unknown */
#define ACT  2
#define FRO  3
#define STA  4
#define PRE  5
#define MOV  6
#define RET  7
#define LST  8          /* both slots unreadable */

/* ---- messages, and the steps of a run that send them ---- */
#define S_END    0
#define S_CLAIM0 1
#define S_CLAIM1 2
#define S_CHOOSE 3
#define S_SYNC   4
#define S_PAIR   5      /* from here on: messages */
#define S_STAGE  6
#define S_FREEZE 7
#define S_PREP   8
#define S_COMMIT 9
#define S_THAW   10
#define S_SEAL   11
#define S_UNSEAL 12
#define S_WIPE   13
#define S_STUB   14
#define S_RETIRE 15
#define S_UNSTG  16
#define S_ACTVT  17     /* only sent by mutants: activation on the tool's word */
#define S_UNPREP 18     /* only sent by mutants: undo of a prepared copy by the tool */
#define S_PUSH   19     /* only sent by mutants: a pushed "moved" that is believed */

/* ---- answers ---- */
#define UNKNOWN 0
#define YES     1
#define NO      2
#define GO_ON   3       /* inside a handler */
#define WRITE   4

/* ---- the guards, one macro each ---- */
#ifdef MUT_TERM
#define G_TERM(c) true
#else
#define G_TERM(c) (c)
#endif
#ifdef MUT_TERMWRITE
#define G_TERMWRITE(c) true
#else
#define G_TERMWRITE(c) (c)
#endif
#ifdef MUT_MID
#define G_MID(c) true
#else
#define G_MID(c) (c)
#endif
#ifdef MUT_FEPOCH
#define G_FEPOCH(c) true
#else
#define G_FEPOCH(c) (c)
#endif
#ifdef MUT_PEPOCH
#define G_PEPOCH(c) true
#else
#define G_PEPOCH(c) (c)
#endif
#ifdef MUT_VOIDFREEZE
#define G_VOIDFREEZE(c) true
#else
#define G_VOIDFREEZE(c) (c)
#endif
#ifdef MUT_VOIDPREP
#define G_VOIDPREP(c) true
#else
#define G_VOIDPREP(c) (c)
#endif
#ifdef MUT_VOIDCOMMIT
#define G_VOIDCOMMIT(c) true
#else
#define G_VOIDCOMMIT(c) (c)
#endif
#ifdef MUT_TOKCOMMIT
#define G_TOKCOMMIT(c) true
#else
#define G_TOKCOMMIT(c) (c)
#endif
#ifdef MUT_TOKTHAW
#define G_TOKTHAW(c) true
#else
#define G_TOKTHAW(c) (c)
#endif
#ifdef MUT_INST
#define G_INST(c) true
#else
#define G_INST(c) (c)
#endif
#ifdef MUT_BOOT
#define G_BOOT(c) true
#else
#define G_BOOT(c) (c)
#endif
#ifdef MUT_HOLD
#define G_HOLD(c) true
#else
#define G_HOLD(c) (c)
#endif
#ifdef MUT_LEASE
#define G_LEASE(c) true
#else
#define G_LEASE(c) (c)
#endif
#ifdef MUT_DOOR
#define G_DOOR(c) true
#else
#define G_DOOR(c) (c)
#endif
#ifdef MUT_LATCH
#define G_LATCH(c) true
#else
#define G_LATCH(c) (c)
#endif
#ifdef MUT_RECEIPT
#define G_RECEIPT(c) true
#else
#define G_RECEIPT(c) (c)
#endif
#ifdef MUT_F4
#define G_F4(c) true
#else
#define G_F4(c) (c)
#endif
#ifdef MUT_STAGEDONLY
#define G_STAGEDONLY(c) true
#else
#define G_STAGEDONLY(c) (c)
#endif
#ifdef MUT_LIVESHERE
#define G_LIVESHERE(c) true
#else
#define G_LIVESHERE(c) (c)
#endif
#ifdef MUT_SEALPREP
#define G_SEALPREP(c) true
#else
#define G_SEALPREP(c) (c)
#endif
#ifdef MUT_SEALSTAGE
#define G_SEALSTAGE(c) true
#else
#define G_SEALSTAGE(c) (c)
#endif
#ifdef MUT_SEALACT
#define G_SEALACT(c) true
#else
#define G_SEALACT(c) (c)
#endif
#ifdef MUT_SEALNR
#define G_SEALNR(c) true
#else
#define G_SEALNR(c) (c)
#endif
#ifdef MUT_SEALEPOCH
#define G_SEALEPOCH(c) true
#else
#define G_SEALEPOCH(c) (c)
#endif
#ifdef MUT_F11
#define G_F11(c) true
#else
#define G_F11(c) (c)
#endif
#ifdef MUT_ASKFREEZE
#define G_ASKFREEZE(c) true
#else
#define G_ASKFREEZE(c) (c)
#endif
#ifdef MUT_POLLTOK
#define G_POLLTOK(c) true
#else
#define G_POLLTOK(c) (c)
#endif
#ifdef MUT_DECLFENCE
#define G_DECLFENCE(c) true
#else
#define G_DECLFENCE(c) (c)
#endif
#ifdef MUT_UNSTGKNOWN
#define G_UNSTGKNOWN(c) true
#else
#define G_UNSTGKNOWN(c) (c)
#endif

/* the states that a seal accepts */
#define SEAL_MOV(s)  (st[s] == MOV && SEAL_CONF(s))
#ifdef MUT_SEALCONF
#define SEAL_CONF(s) true
#else
#define SEAL_CONF(s) (conf[s])
#endif
#define SEAL_STA(s)  (st[s] == STA && up[1-(s)] && st[1-(s)] == ACT)
#ifdef MUT_SEALUNM
#define SEAL_UNM(s)  (st[s] == UNM)
#else
#define SEAL_UNM(s)  false
#endif
#ifdef MUT_SEALACTIVE
#define SEAL_ACT(s)  (st[s] == ACT)
#else
#define SEAL_ACT(s)  false
#endif
#ifdef MUT_SEALFROZEN
#define SEAL_FRO(s)  (st[s] == FRO)
#else
#define SEAL_FRO(s)  false
#endif
#ifdef MUT_SEALPRE
#define SEAL_PRE(s)  (st[s] == PRE)
#else
#define SEAL_PRE(s)  false
#endif
#ifdef MUT_SEALSTA
#define SEAL_STAX(s) (st[s] == STA)
#else
#define SEAL_STAX(s) false
#endif
#define SEAL_STATE(s) (SEAL_MOV(s) || SEAL_STA(s) || SEAL_UNM(s) || SEAL_ACT(s) || SEAL_FRO(s) || SEAL_PRE(s) || SEAL_STAX(s) || st[s] == RET)

/* ---- durable, per server: the account's record ---- */
byte st[2];
byte ep[2];
byte tok[2];
byte mark[2];           /* tokens at or below it are void */
byte dgst[2];           /* digest in a prepared record */
bit  conf[2];
bit  fl[2];             /* frozen by the instance that lives now */
bit  fb[2];             /* frozen in this boot */
/* ---- durable, per server: the server's record ---- */
byte term[2];
byte mid[2];
byte sealn;             /* seal of the source; the transit server is never wiped */
bit  sealed;
bit  lives[2];          /* known since the beginning: no record means "lives here" */
/* ---- not durable ---- */
bit  up[2];
byte inst[2];           /* counts instances: a handler and a hold belong to one */
bit  lock[2];           /* lock of the record */
bit  asked[2];          /* the peer was asked in this boot (or need not be) */
bit  lapsed[2];         /* lease of a frozen record */
byte pans[2];           /* answer of the origin in hand of a prepared receiver */
byte ptok[2];
/* ---- the world ---- */
bit  door[2];           /* 1: users are served */
bit  opened[2];         /* the living instance saw the door open since the freeze */
bit  fast[2];           /* the door is made fast: nothing opens it but a thaw */
byte data[2];           /* writes that this copy holds, one bit each */
byte acked;
byte cur;               /* server + 1 on which a write is under way */
byte wr;                /* writes done */
bit  dead[2];
/* ---- a stream of an earlier copy ---- */
byte strm;              /* 0 none, 1 open, 2 has read, 3 closed */
byte sval; bit sdst; byte sterm;
/* ---- network: messages that come late or once more ---- */
typedef Msg { byte ty; bit s; byte t; byte e; byte md; byte tm; byte h };
Msg bag[2];
/* ---- budgets left, ghosts ---- */
byte late = LATE;
byte kills = KILLS;
byte reboots = REBOOTS;
byte doorf = DOORF;
byte snaps = SNAPS;
byte slots = SLOTS;
byte deaths = DEATHS;
byte returns = RETURNS;
byte moves;             /* activations */
bit  voided;            /* a prepare was voided */
bit  wiped;
bit  gone;              /* retired: nobody owns it any more */
#if SNAPS
byte o_st, o_ep, o_tok, o_mark, o_dgst, o_term; bit o_conf; bit o_s; bit o_have;
#endif

#define OWNER(s)   (st[s] == UNM || st[s] == ACT || st[s] == FRO)
#define PENDING(s) (st[s] == MOV && !conf[s] && st[1-(s)] == PRE && tok[1-(s)] == tok[s])
#define SAFE_DATA(s) (!door[s] || (acked & ~data[s]) == 0)

#ifdef SANS_DATA
#define INV_DATA true
#else
#define INV_DATA (SAFE_DATA(0) && SAFE_DATA(1))
#endif
#if SNAPS || DEATHS
#define INV_OWNER true
#else
#if SLOTS
#define INV_OWNER (st[0] == LST || st[1] == LST || OWNER(0) + OWNER(1) + PENDING(0) + PENDING(1) == 1)
#else
#define INV_OWNER (gone || OWNER(0) + OWNER(1) + PENDING(0) + PENDING(1) == 1)
#endif
#endif
inline inv() {
	assert(!(door[0] && door[1]));  /* at most one serves */
	assert(INV_DATA);               /* who serves holds every acknowledged write */
	assert(INV_OWNER)               /* exactly one owner or pending owner */
}

inline raise(who, val) { if :: mark[who] < val -> mark[who] = val :: else fi }

/* the streams into s end here, with the agent or with prepare */
inline close_streams(s) {
	if :: (strm == 1 || strm == 2) && sdst == s -> strm = 3 :: else fi
}

#ifdef MUT_CONFIRM
#define CONFIRMS(p) (st[p] == ACT || st[p] == FRO || st[p] == PRE)
#else
#define CONFIRMS(p) (st[p] == ACT || st[p] == FRO)
#endif
#ifdef MUT_RECHECK
#define PREP_WRITE(s) true
#else
#define PREP_WRITE(s) PREP_OK(s)
#endif
#ifdef MUT_SEALWAIT
#define SEAL_NOWAIT true
#else
#define SEAL_NOWAIT false
#endif
#ifdef MUT_VOIDMARK
#define VOIDS(t) 0
#else
#define VOIDS(t) t
#endif

#ifdef MUT_TERM
#define CLAIM_DRAINS false
#else
#define CLAIM_DRAINS true
#endif

#ifdef MUT_F12FROZEN
#define REBUILD_FROZEN(p) (st[p] == FRO)
#else
#define REBUILD_FROZEN(p) false
#endif
#ifdef MUT_F12MARK
#define REBUILD_MARK(s) 0
#else
#define REBUILD_MARK(s) (term[s] * 4 + 3)
#endif
#ifdef MUT_F9EPOCH
#define DECL_STEP 0
#else
#define DECL_STEP 1
#endif

inline wipe() {
	/* a wiped server was not the owner */
	assert(st[0] == RET || (!OWNER(0) && st[0] != PRE && OWNER(1)));
	st[0] = UNK; ep[0] = 0; tok[0] = 0; mark[0] = 0; conf[0] = 0; dgst[0] = 0;
	term[0] = 0; mid[0]++; sealed = 0; sealn = 0; lives[0] = 0;
	data[0] = 0; door[0] = 0; fast[0] = 0; opened[0] = 0; asked[0] = 1; lapsed[0] = 0;
	inst[0]++; lock[0] = 0; fl[0] = 0; fb[0] = 0; pans[0] = 0;
	close_streams(0);
	if :: cur == 1 -> cur = 0 :: else fi;
	wiped = 1;
	inv()
}

inline put(a, b, c, d, f, g, i) {
	if
	:: bag[0].ty == 0 -> bag[0].ty = a; bag[0].s = b; bag[0].t = c; bag[0].e = d; bag[0].md = f; bag[0].tm = g; bag[0].h = i
	:: bag[0].ty != 0 && bag[1].ty == 0 -> bag[1].ty = a; bag[1].s = b; bag[1].t = c; bag[1].e = d; bag[1].md = f; bag[1].tm = g; bag[1].h = i
	:: else
	fi
}
#define BAG_ROOM (bag[0].ty == 0 || bag[1].ty == 0)
inline push(s) { put(S_PUSH, 1-s, tok[s], ep[s], 0, 0, 0) }

/* ---- what an agent does with a message: the locals m_x, ok, dg, gi ---- */

#define IDEM_FRO(s) (st[s] == FRO && tok[s] == m_t && G_INST(fl[s]) && G_BOOT(fb[s]) && G_LEASE(!lapsed[s]) && G_LATCH(!opened[s]))
#define FREEZE_OK(s) (st[s] == ACT && G_ASKFREEZE(asked[s]) && G_MID(mid[s] == m_md) && G_FEPOCH(ep[s] == m_e) && G_VOIDFREEZE(m_t > mark[s]))
#define PREP_OK(s) (st[s] == STA && G_PEPOCH(ep[s] == m_e) && G_VOIDPREP(m_t > mark[s]) && G_SEALPREP(s == 1 || !sealed))
#define COMMIT_OK(s) (st[s] == FRO && G_TOKCOMMIT(tok[s] == m_t) && G_VOIDCOMMIT(m_t > mark[s]) && G_INST(fl[s]) && G_HOLD(inst[s] == m_h) && G_BOOT(fb[s]) && G_LEASE(!lapsed[s]) && G_DOOR(!door[s]) && G_LATCH(!opened[s]))
#define STAGE_OK(s) (((st[s] == UNK) || st[s] == STA || (st[s] == MOV && G_F4(conf[s])) || (st[s] == UNM && G_LIVESHERE(false))) && G_SEALSTAGE(s == 1 || !sealed))
#define TERM_OK(s) G_TERM(term[s] == m_tm)

inline handle() {
	if
	:: m_ty == S_FREEZE ->
		atomic {
			!lock[m_s];
			if
			:: !up[m_s] -> ok = UNKNOWN
			:: up[m_s] && TERM_OK(m_s) && FREEZE_OK(m_s) ->
				st[m_s] = FRO;          /* T: active freeze frozen */
				tok[m_s] = m_t; fl[m_s] = 1; fb[m_s] = 1;
				lapsed[m_s] = 0; opened[m_s] = 0; fast[m_s] = 0; door[m_s] = 0;
				ok = YES; gi = inst[m_s]; inv()
			:: up[m_s] && TERM_OK(m_s) && !FREEZE_OK(m_s) && IDEM_FRO(m_s) ->
				door[m_s] = 0;
				ok = YES; gi = inst[m_s]
			:: else -> ok = NO
			fi
		}
		if
#ifdef MUT_F6
		:: true
#else
		:: ok == YES -> atomic { cur != m_s + 1;   /* closing is complete */
			if :: inst[m_s] != gi -> ok = UNKNOWN :: else fi }
		:: else
#endif
		fi
	:: m_ty == S_PREP ->
		atomic {
			!lock[m_s];
			if
			:: !up[m_s] -> ok = UNKNOWN
			:: up[m_s] && TERM_OK(m_s) && PREP_OK(m_s) ->
				lock[m_s] = 1; gi = inst[m_s];
#ifndef MUT_F7
				close_streams(m_s);
#endif
				ok = GO_ON
			:: up[m_s] && st[m_s] == PRE && tok[m_s] == m_t -> ok = YES; dg = dgst[m_s]
			:: else -> ok = NO
			fi
		}
		if
		:: ok == GO_ON -> atomic {
			if
			:: inst[m_s] != gi -> ok = UNKNOWN
			:: else ->
				if
				:: G_TERMWRITE(TERM_OK(m_s)) && PREP_WRITE(m_s) ->
					st[m_s] = PRE;          /* T: staged prepare prepared */
					ep[m_s] = m_e + 1; tok[m_s] = m_t;
					dgst[m_s] = data[m_s]; dg = data[m_s]; ok = YES
				:: else -> ok = NO
				fi;
				lock[m_s] = 0; inv()
			fi }
		:: else
		fi
	:: m_ty == S_COMMIT ->
		atomic {
			!lock[m_s];
			if
			:: !up[m_s] -> ok = UNKNOWN
			:: up[m_s] && st[m_s] == MOV && tok[m_s] == m_t -> ok = YES
			:: up[m_s] && st[m_s] == FRO && G_TOKCOMMIT(tok[m_s] == m_t) && TERM_OK(m_s) ->
				lock[m_s] = 1; gi = inst[m_s];
#ifndef MUT_FAST
				fast[m_s] = 1;
#endif
				ok = GO_ON
			:: else -> ok = NO
			fi
		}
		if
		:: ok == GO_ON -> atomic {
			if
			:: inst[m_s] != gi -> ok = UNKNOWN
			:: inst[m_s] == gi && COMMIT_OK(m_s) -> ok = WRITE
			:: else -> lock[m_s] = 0; fast[m_s] = 0; ok = NO
			fi }
		:: else
		fi;
		if
		:: ok == WRITE -> atomic {
			if
			:: inst[m_s] != gi -> ok = UNKNOWN
			:: inst[m_s] == gi && G_TERMWRITE(TERM_OK(m_s)) ->
				st[m_s] = MOV;                  /* T: frozen commit moved */
				ep[m_s] = ep[m_s] + 1; conf[m_s] = 0;
#ifdef MUT_F10
				push(m_s);
#endif
				lock[m_s] = 0; fast[m_s] = 0; ok = YES; inv()
			:: else -> lock[m_s] = 0; fast[m_s] = 0; ok = NO
			fi }
		:: else
		fi
	:: else -> atomic {
		!lock[m_s] || (m_ty == S_SEAL && SEAL_NOWAIT);
		if
		:: !up[m_s] -> ok = UNKNOWN
		:: up[m_s] && m_ty == S_PAIR && TERM_OK(m_s) && (st[m_s] == UNM || st[m_s] == ACT) ->
			if
			:: st[m_s] == UNM -> st[m_s] = ACT; ep[m_s] = 0; asked[m_s] = 1  /* T: unmanaged pair active */
			:: else                                 /* T: active pair active */
			fi;
			ok = YES; inv()
		:: up[m_s] && m_ty == S_STAGE && TERM_OK(m_s) && STAGE_OK(m_s) ->
			/* T: unmanaged stage staged */
			/* T: staged stage staged */
			/* T: moved restage staged */
			st[m_s] = STA; conf[m_s] = 0;
			if :: ep[m_s] < m_e -> ep[m_s] = m_e :: else fi;
#ifdef PRECOPY
			if :: strm == 0 -> strm = 1; sdst = m_s; sterm = m_tm :: else fi;
#endif
			ok = YES; inv()
		:: up[m_s] && m_ty == S_THAW && TERM_OK(m_s) && st[m_s] == FRO && G_TOKTHAW(tok[m_s] == m_t) ->
			st[m_s] = ACT;                          /* T: frozen thaw active */
			raise(m_s, VOIDS(tok[m_s])); tok[m_s] = 0; fast[m_s] = 0;
			ok = YES; inv()
		:: up[m_s] && m_ty == S_THAW && TERM_OK(m_s) && st[m_s] == ACT && m_t > mark[m_s] ->
			mark[m_s] = m_t; ok = YES
		:: up[m_s] && m_ty == S_SEAL && TERM_OK(m_s) && G_MID(mid[m_s] == m_md) && G_SEALEPOCH(ep[m_s] == m_e || st[m_s] == RET) && SEAL_STATE(m_s) && !sealed ->
			sealed = 1; sealn++; ok = YES
		:: up[m_s] && m_ty == S_UNSEAL && TERM_OK(m_s) && sealed ->
			sealed = 0; ok = YES
		:: m_ty == S_WIPE && G_MID(mid[m_s] == m_md) && G_SEALNR(sealed && sealn == m_h) ->
			wipe(); ok = YES
		:: up[m_s] && m_ty == S_STUB && TERM_OK(m_s) && st[m_s] == UNK && wiped && up[1-m_s] && st[1-m_s] == ACT ->
			st[m_s] = MOV;                          /* T: unmanaged stub moved */
			ep[m_s] = ep[1-m_s]; conf[m_s] = 1; tok[m_s] = 0; ok = YES; inv()
		:: up[m_s] && m_ty == S_RETIRE && TERM_OK(m_s) && G_FEPOCH(ep[m_s] == m_e) && (st[m_s] == UNM || st[m_s] == ACT) ->
			/* T: unmanaged retire retired */
			/* T: active retire retired */
			st[m_s] = RET; door[m_s] = 0; gone = 1; ok = YES; inv()
		:: up[m_s] && m_ty == S_UNSTG && TERM_OK(m_s) && st[m_s] == STA && G_UNSTGKNOWN(!lives[m_s]) ->
			/* T: staged unstage unmanaged */
			if :: lives[m_s] -> st[m_s] = UNM; door[m_s] = 1 :: else -> st[m_s] = UNK fi;
			close_streams(m_s);
			ep[m_s] = 0; tok[m_s] = 0; mark[m_s] = 0; ok = YES; inv()
#ifdef MUT_F3
		:: up[m_s] && m_ty == S_UNPREP && st[m_s] == PRE && tok[m_s] == m_t ->
			st[m_s] = STA; ep[m_s] = ep[m_s] - 1; raise(m_s, m_t); pans[m_s] = 0; ok = YES; inv()
#endif
#if defined(MUT_TOOLWORD) || defined(MUT_F10)
		:: up[m_s] && (m_ty == S_ACTVT && tok[m_s] == m_t || m_ty == S_PUSH && ep[m_s] == m_e) && st[m_s] == PRE ->
			st[m_s] = ACT; asked[m_s] = 1; tok[m_s] = 0; pans[m_s] = 0; moves++; ok = YES; inv()
#endif
		:: else -> ok = NO
		fi }
	fi
}

inline take(k) {
	m_ty = bag[k].ty; m_s = bag[k].s; m_t = bag[k].t; m_e = bag[k].e; m_md = bag[k].md; m_tm = bag[k].tm; m_h = bag[k].h;
	bag[k].ty = 0; bag[k].s = 0; bag[k].t = 0; bag[k].e = 0; bag[k].md = 0; bag[k].tm = 0; bag[k].h = 0
}

/* the network delivers what it kept back, whenever it likes */
proctype Net() {
	byte m_ty, m_t, m_e, m_md, m_tm, m_h, ok, dg, gi; bit m_s;
end:	do
	:: atomic { bag[0].ty != 0 -> take(0); m_ty = 0; m_s = 0; m_t = 0; m_e = 0; m_md = 0; m_tm = 0; m_h = 0 }   /* lost */
	:: atomic { bag[1].ty != 0 -> take(1); m_ty = 0; m_s = 0; m_t = 0; m_e = 0; m_md = 0; m_tm = 0; m_h = 0 }
	:: atomic { bag[0].ty != 0 -> take(0) }
		handle();
		atomic { m_ty = 0; m_s = 0; m_t = 0; m_e = 0; m_md = 0; m_tm = 0; m_h = 0; ok = 0; dg = 0; gi = 0 }
	:: atomic { bag[1].ty != 0 -> take(1) }
		handle();
		atomic { m_ty = 0; m_s = 0; m_t = 0; m_e = 0; m_md = 0; m_tm = 0; m_h = 0; ok = 0; dg = 0; gi = 0 }
	od
}

/* ---- a run of the tool; it may stop or sleep at every step ---- */
#define MAYBE_LATE ((LATEMASK & (1 << (step - S_PAIR))) != 0)
#define ALLOWED(x) ((menu & x) != 0)
#define RIVAL(a) (strm == 1 || strm == 2) && sterm < a

inline claim(s) {
	if
	:: term[s] <= tm ->
		/* drains the older term's work, then returns */
		if :: term[s] < tm && CLAIM_DRAINS && (strm == 1 || strm == 2) && sdst == s -> strm = 3 :: else fi;
		term[s] = tm; step++
	:: else -> step = S_END
	fi
}
proctype Run(byte tm; byte menu; byte ops) {
	byte step = S_CLAIM0;
	byte n, t, e, cmp, h;               /* the operation */
	bit o;                              /* its origin */
	byte m_ty, m_t, m_e, m_md, m_tm, m_h, ok, dg, gi; bit m_s;
	byte dl;                            /* 0 not delivered, 1 delivered, 2 answer lost */

	do
	:: step != S_END -> atomic { step = S_END; n = 0; t = 0; e = 0; cmp = 0; h = 0; o = 0; ops = 0; break }
	:: step == S_END -> break
	:: atomic { step == S_CLAIM0 && up[0] && !lock[0] -> claim(0) }
	:: atomic { step == S_CLAIM1 && up[1] && !lock[1] -> claim(1) }
	:: atomic { step == S_CHOOSE && ops > 0 ->
		t = 0; e = 0; cmp = 0; h = 0; o = 0;
		if
		:: ALLOWED(M_OUT) && (st[0] == UNM || st[0] == ACT) -> o = 0; e = ep[0]; step = S_PAIR
		:: ALLOWED(M_BACK) && st[1] == ACT && st[0] != UNM -> o = 1; e = ep[1]; step = S_PAIR
#ifdef WRONGWAY
		/* a run that takes the two servers for each other */
		:: st[0] == UNM -> o = 1; step = S_STAGE
#endif
		:: ALLOWED(M_ABORT) && st[0] == FRO -> o = 0; t = tok[0]; step = S_THAW
		:: ALLOWED(M_ABORT) && st[1] == FRO -> o = 1; t = tok[1]; step = S_THAW
		:: ALLOWED(M_WIPE) && mid[0] == 1 && !sealed -> e = (st[1] == ACT -> ep[1] : ep[0]); step = S_SEAL
		:: ALLOWED(M_WIPE) && sealed -> h = sealn; step = S_WIPE
		:: ALLOWED(M_WIPE) && wiped && st[0] == UNK && term[0] == tm -> step = S_STUB
		:: ALLOWED(M_UNSEAL) && sealed -> step = S_UNSEAL
		:: ALLOWED(M_RETIRE) && (st[0] == UNM || st[0] == ACT) -> e = ep[0]; step = S_RETIRE
		:: ALLOWED(M_UNSTG) && st[1] == STA -> o = 1; step = S_UNSTG
		:: ALLOWED(M_UNSTG) && st[0] == STA -> o = 0; step = S_UNSTG
		fi;
		ops-- }
	:: atomic { step == S_CHOOSE && ops > 0 && term[0] < tm && up[0] && !lock[0] -> claim(0); step = (step == S_END -> S_END : S_CHOOSE) }
	:: atomic { step == S_SYNC ->           /* final sync, compare */
		if
		:: up[0] && up[1] && G_STAGEDONLY(st[1-o] == STA) && G_TERM(term[1-o] == tm) ->
			data[1-o] = data[o]; cmp = data[o]; step = S_PREP; inv()
		:: else -> step = S_THAW
		fi }
	:: step >= S_PAIR -> atomic {
			m_ty = step; m_tm = tm; m_t = t; m_e = e; m_h = h;
			m_s = (step == S_STAGE || step == S_PREP || step == S_ACTVT || step == S_UNPREP -> 1-o : o);
			if
			:: step == S_FREEZE && t == 0 -> n++; t = tm * 4 + n; m_t = t
			:: else
			fi;
			m_md = mid[m_s];
			if
			:: up[m_s] || step == S_WIPE -> dl = 1
			:: late > 0 && MAYBE_LATE && BAG_ROOM -> late--; put(m_ty, m_s, m_t, m_e, m_md, m_tm, m_h); dl = 0
			:: late > 0 && MAYBE_LATE && BAG_ROOM -> late--; put(m_ty, m_s, m_t, m_e, m_md, m_tm, m_h); dl = 1
			:: late > 0 && MAYBE_LATE -> late--; dl = 2
			fi }
		if
		:: dl != 0 -> handle()
		:: else
		fi;
		atomic {
			if :: dl != 1 -> ok = UNKNOWN :: else fi;
			if
			:: step == S_PAIR -> step = (ok == YES -> S_STAGE : S_CHOOSE)
			:: step == S_STAGE -> step = (ok == YES -> S_FREEZE : S_CHOOSE)
			:: step == S_FREEZE && ok == YES -> h = gi; step = S_SYNC
			:: step == S_FREEZE && ok == NO -> step = S_CHOOSE
			:: step == S_FREEZE && ok == UNKNOWN
			:: step == S_FREEZE && ok == UNKNOWN -> step = S_THAW
			:: step == S_PREP && ok == YES -> step = (G_RECEIPT(dg == cmp) -> S_COMMIT : S_THAW)
			:: step == S_PREP && ok == NO -> step = S_THAW
			:: step == S_PREP && ok == UNKNOWN
			:: step == S_PREP && ok == UNKNOWN -> step = S_THAW
			:: step == S_COMMIT && ok == NO -> step = S_THAW
#ifdef MUT_TOOLWORD
			:: step == S_COMMIT && ok != NO -> step = S_ACTVT
#else
			:: step == S_COMMIT && ok == YES -> step = S_CHOOSE
#endif
			:: step == S_COMMIT && ok == UNKNOWN
#ifdef MUT_F3
			:: step == S_COMMIT && ok == UNKNOWN -> step = S_UNPREP
#endif
			:: step >= S_THAW -> step = S_CHOOSE
			fi;
			m_ty = 0; m_s = 0; m_t = 0; m_e = 0; m_md = 0; m_tm = 0; m_h = 0; ok = 0; dg = 0; gi = 0; dl = 0
		}
	od
}

/* ---- the stream of an earlier copy: reads now, writes when it is awake ---- */
proctype Stream() {
end:	do
	:: atomic { strm == 1 -> sval = data[1-sdst]; strm = 2 }
	:: atomic { strm == 2 -> data[sdst] = sval; strm = 3; sval = 0; inv(); break }
	:: strm == 3 -> break
	od
}

/* ---- users: each write is begun behind an open door, applied and acknowledged later ---- */
proctype Users() {
	do
	:: wr == WRITES -> break
	:: atomic { wr < WRITES && cur == 0 && door[0] -> cur = 1 }
	:: atomic { wr < WRITES && cur == 0 && door[1] -> cur = 2 }
	:: atomic { cur != 0 -> data[cur-1] = data[cur-1] | (1 << wr); acked = acked | (1 << wr); wr++; cur = 0; inv() }
	od
}

/* ---- what an agent does by itself ---- */

/*
 * The origin's answer to Poll(t): 1 moved, 2 void, otherwise wait or stay closed.
 * An open active origin that never saw t voids it, durably, before it says so.
 */
#ifdef MUT_POLLVOID
#define POLL_UNSEEN(o, x) false
#else
#define POLL_UNSEEN(o, x) (st[o] == ACT && asked[o] && !lock[o] && mark[o] < x)
#endif
#define HOLDS(o, x) ((st[o] == FRO || st[o] == MOV) && tok[o] == x)
#define POLL_MOVED(o, x) (st[o] == MOV && tok[o] == x)
#ifdef MUT_F2VOID
#define POLL_VOID(o, x) (!HOLDS(o, x))
#else
#ifdef MUT_F2FROZEN
#define POLL_VOID(o, x) (!POLL_MOVED(o, x) && (st[o] == FRO || (mark[o] >= x && st[o] != LST && st[o] != UNK)))
#else
#define POLL_VOID(o, x) ((!HOLDS(o, x) && st[o] != LST && st[o] != UNK && st[o] != UNM && mark[o] >= x) || POLL_UNSEEN(o, x))
#endif
#endif
#ifdef MUT_F2MOVED
#define POLL_YES(o, x) (POLL_MOVED(o, x) || !(HOLDS(o, x) || POLL_VOID(o, x)))
#else
#define POLL_YES(o, x) POLL_MOVED(o, x)
#endif

/* the peer's word in a new boot */
#define HIGHER(s) ((st[1-(s)] == ACT || st[1-(s)] == FRO || st[1-(s)] == MOV) && ep[1-(s)] > ep[s])
#define ASKABLE(s) (up[1-(s)] && st[1-(s)] != LST)

/* a frozen record that must be thawed */
#define DEAD_HOLD(s) (!fl[s] || !fb[s] || lapsed[s] || door[s] || opened[s])

#ifdef MUT_THAWLOCK
#define THAW_LOCK(s) true
#else
#define THAW_LOCK(s) (!lock[s])
#endif

inline recover_frozen(s) {
	st[s] = ACT; raise(s, VOIDS(tok[s])); tok[s] = 0; fast[s] = 0; lapsed[s] = 0; opened[s] = 0
}

proctype Agent(bit s) {
end:	do
	/* the holder's own clock */
	:: atomic { st[s] == FRO && fl[s] && !lapsed[s] -> lapsed[s] = 1 }
#ifdef DEADMAN
	/* a switch outside the agent opens the door when the lease is over */
	:: atomic { st[s] == FRO && fl[s] && lapsed[s] && !door[s] && !fast[s] -> door[s] = 1; opened[s] = 1; inv() }
#endif
	/* thaw: lease over, door opened, or held by another instance */
#ifdef MUT_THAWFIRST
	:: atomic { up[s] && st[s] == FRO && (asked[s] || fb[s]) && DEAD_HOLD(s) && !door[s] && !lock[s] -> door[s] = 1; inv() }
	:: atomic { up[s] && st[s] == FRO && (asked[s] || fb[s]) && DEAD_HOLD(s) && door[s] && !lock[s] -> recover_frozen(s); inv() }
#else
	:: atomic { up[s] && st[s] == FRO && (asked[s] || fb[s]) && DEAD_HOLD(s) && THAW_LOCK(s) -> recover_frozen(s); inv() }
#endif
	/* open: the record says so and is on the disk */
	:: atomic { up[s] && st[s] == ACT && asked[s] && !door[s] && !lock[s] -> door[s] = 1; inv() }
	/* new boot: the peer is asked */
	:: atomic { up[s] && (st[s] == ACT || st[s] == FRO) && !asked[s] && ASKABLE(s) && G_F11(!HIGHER(s)) && !lock[s] && !lock[1-s] ->
		if
		:: st[1-s] == PRE ->
#ifndef MUT_ASKVOID
			raise(s, tok[1-s]);
#endif
#ifndef MUT_NONCE
			pans[1-s] = 0;
#endif
			skip
		:: else
		fi;
		asked[s] = 1; inv() }
	/* receiver: poll the origin, then act on the answer */
	:: atomic { up[s] && st[s] == PRE && pans[s] == 0 && up[1-s] && POLL_YES(1-s, tok[s]) -> pans[s] = 1; ptok[s] = tok[s] }
	:: atomic { up[s] && st[s] == PRE && pans[s] == 0 && up[1-s] && POLL_VOID(1-s, tok[s]) ->
		if :: POLL_UNSEEN(1-s, tok[s]) -> raise(1-s, tok[s]) :: else fi;
		pans[s] = 2; ptok[s] = tok[s] }
	:: atomic { up[s] && pans[s] != 0 && !lock[s] ->
		if
		:: pans[s] == 1 && st[s] == PRE && G_POLLTOK(tok[s] == ptok[s]) && G_SEALACT(s == 1 || !sealed) ->
			st[s] = ACT;                            /* T: prepared activate active */
			tok[s] = 0; asked[s] = 1; moves++
		:: pans[s] == 2 && st[s] == PRE && G_POLLTOK(tok[s] == ptok[s]) ->
			st[s] = STA;                            /* T: prepared void staged */
			ep[s] = ep[s] - 1; raise(s, VOIDS(tok[s])); tok[s] = 0; voided = 1
		:: else
		fi;
		pans[s] = 0; ptok[s] = 0; dgst[s] = 0; inv() }
	/* origin: confirmed by the receiver itself */
	:: atomic { up[s] && st[s] == MOV && !conf[s] && up[1-s] && CONFIRMS(1-s) && ep[1-s] >= ep[s] && !lock[s] ->
		conf[s] = 1; inv() }                            /* T: moved confirm moved */
#if SLOTS
	/* both slots unreadable: from the peer alone */
	:: atomic { up[s] && st[s] == LST && up[1-s] && !lock[1-s] && (st[1-s] == ACT || REBUILD_FROZEN(1-s)) ->
		st[s] = STA;                                    /* T: unmanaged rebuild staged */
		ep[s] = ep[1-s]; mark[s] = REBUILD_MARK(s); inv() }
	/* the peer never had a record: the operator says so, nobody else can be the owner */
	:: atomic { up[s] && st[s] == LST && up[1-s] && st[1-s] == UNK ->
		st[s] = ACT; ep[s] = 0; mark[s] = REBUILD_MARK(s); asked[s] = 1; inv() }
#ifndef MUT_F12PREP
	:: atomic { up[s] && st[s] == LST && up[1-s] && !lock[1-s] && st[1-s] == PRE ->
		st[1-s] = STA; ep[1-s] = ep[1-s] - 1; raise(1-s, tok[1-s]); tok[1-s] = 0; dgst[1-s] = 0; voided = 1; inv() }
	:: atomic { up[s] && st[s] == LST && up[1-s] && !lock[1-s] && (st[1-s] == STA || st[1-s] == MOV) ->
		st[s] = ACT;                                    /* T: unmanaged rebuild active */
		ep[s] = ep[1-s]; mark[s] = REBUILD_MARK(s); asked[s] = 1; inv() }
#else
	:: atomic { up[s] && st[s] == LST && up[1-s] && !lock[1-s] && (st[1-s] == STA || st[1-s] == MOV || st[1-s] == PRE) ->
		st[s] = ACT; ep[s] = (st[1-s] == PRE -> ep[1-s] - 1 : ep[1-s]); mark[s] = REBUILD_MARK(s); asked[s] = 1; inv() }
#endif
#endif
#if DEATHS
	/* the operator: stopover declare-lost */
	:: atomic { up[s] && st[s] == PRE && G_DECLFENCE(dead[1-s]) && !lock[s] ->
		st[s] = ACT;                                    /* T: prepared declare_lost_origin active */
		tok[s] = 0; pans[s] = 0; asked[s] = 1; moves++; inv() }
	:: atomic { up[s] && st[s] == MOV && !conf[s] && G_DECLFENCE(dead[1-s]) && !lock[s] ->
		st[s] = ACT;                                    /* T: moved declare_lost_receiver active */
		ep[s] = ep[s] + DECL_STEP; raise(s, tok[s]); tok[s] = 0; asked[s] = 1; inv() }
	:: atomic { up[s] && st[s] == ACT && !asked[s] && G_DECLFENCE(dead[1-s]) && !lock[s] ->
		asked[s] = 1; inv() }                           /* T: active declare_lost_receiver active */
	:: atomic { up[s] && st[s] == FRO && !asked[s] && G_DECLFENCE(dead[1-s]) && !lock[s] ->
		recover_frozen(s); asked[s] = 1; inv() }        /* T: frozen declare_lost_receiver active */
#endif
	od
}
/* ---- faults ---- */

#ifdef MUT_F8
#define BOOT_OPENS(s) (st[s] == UNM || st[s] == MOV || st[s] == STA || st[s] == PRE)
#else
#ifdef MUT_BOOTDOOR
#define BOOT_OPENS(s) (st[s] == UNM || st[s] == ACT || st[s] == FRO)
#else
#define BOOT_OPENS(s) (st[s] == UNM)
#endif
#endif

/*
 * The supervisor starts a new instance in the same step: a dead agent and one
 * that does nothing yet look the same to everybody, and a message to a dead one
 * is one that was lost.
 */
#ifdef MUT_SUPERVISOR
#define RISES 0
#else
#define RISES 1
#endif
inline die(s) {
	up[s] = RISES; inst[s]++; lock[s] = 0; fl[s] = 0; lapsed[s] = 0; opened[s] = 0; pans[s] = 0; ptok[s] = 0;
	close_streams(s)
}
inline power_off(s) {
	die(s); fb[s] = 0; asked[s] = 0; lapsed[s] = 0; opened[s] = 0; fast[s] = 0; door[s] = 0;
	if :: cur == s + 1 -> cur = 0 :: else fi
}
inline boot(s) { if :: BOOT_OPENS(s) -> door[s] = 1 :: else fi }

proctype Fault(bit s) {
end:	do
	:: atomic { kills > 0 && up[s] -> kills--; die(s);
		/* what the dead instance held shut may open; not what is made fast */
		if
		:: st[s] == FRO && fb[s] && !fast[s] -> door[s] = 1      /* the next instance did not see it */
		:: true
		fi; inv() }
	:: atomic { reboots > 0 && !dead[s] -> reboots--; power_off(s); boot(s); inv() }
#if DOORF
	:: atomic { doorf > 0 && st[s] == FRO && !door[s] && !fast[s] -> doorf--; door[s] = 1; opened[s] = 1; inv() }
#endif
#if SNAPS
	:: atomic { snaps > 0 && !o_have && (st[s] == ACT || st[s] == FRO || st[s] == STA || st[s] == PRE || st[s] == MOV) && !lock[s] ->
		o_have = 1; o_s = s; o_st = st[s]; o_ep = ep[s]; o_tok = tok[s]; o_mark = mark[s]; o_dgst = dgst[s]; o_conf = conf[s]; o_term = term[s] }
	:: atomic { snaps > 0 && o_have && o_s == s && !lock[s] -> snaps--; power_off(s);
		st[s] = o_st; ep[s] = o_ep; tok[s] = o_tok; mark[s] = o_mark; dgst[s] = o_dgst; conf[s] = o_conf; term[s] = o_term;
		o_have = 0; o_s = 0; o_st = 0; o_ep = 0; o_tok = 0; o_mark = 0; o_dgst = 0; o_conf = 0; o_term = 0;
		boot(s); inv() }
#endif
#if SLOTS
	:: atomic { slots > 0 && (st[s] == ACT || st[s] == FRO || st[s] == STA || st[s] == PRE || st[s] == MOV) -> slots--; power_off(s);
		st[s] = LST; ep[s] = 0; tok[s] = 0; mark[s] = 0; dgst[s] = 0; conf[s] = 0;
#ifdef MUT_SLOTSERVE
		door[s] = 1;
#endif
		inv() }
#endif
#if DEATHS
	:: atomic { deaths > 0 && !dead[s] && st[s] != UNM && st[s] != UNK -> deaths--; power_off(s); dead[s] = 1; up[s] = 0 }
	:: atomic { returns > 0 && dead[s] -> returns--; dead[s] = 0; up[s] = 1; boot(s); inv() }
#endif
	od
}

/* ---- the end: nothing else can run, so tools and faults are over ---- */
#define SERVED(s) (door[s] && st[1-(s)] != FRO && st[1-(s)] != PRE)
#if SNAPS
/* old records may end in a blocker; with one move, no copy waits for ever behind an open door */
#ifdef SNAPEND
#define GOOD_END (!(st[0] == PRE && door[1]) && !(st[1] == PRE && door[0]))
#else
#define GOOD_END true
#endif
#else
#if DEATHS
#define GOOD_END (door[0] || door[1])
#else
#define GOOD_END (gone || ((SERVED(0) || SERVED(1)) && wr == WRITES && acked == (1 << WRITES) - 1))
#endif
#endif
proctype Monitor() {
	timeout -> assert(GOOD_END)
}

#ifdef REACH_VOID
#define REACHED (voided && (st[0] == PRE || st[1] == PRE))
#endif
#ifdef REACH_THIRD
#define REACHED (moves == 3)
#endif
#ifdef REACH_RELOC
#define REACHED (wiped && st[0] == ACT && door[0] && acked == (1 << WRITES) - 1)
#endif
#ifdef REACHED
proctype Reach() { end: atomic { REACHED -> assert(false) } }
#endif

init {
	atomic {
		st[0] = UNM; st[1] = UNK; lives[0] = 1; door[0] = 1; mid[0] = 1; mid[1] = 1;
		up[0] = 1; up[1] = 1; asked[0] = 1; asked[1] = 1;
		run Net(); run Agent(0); run Agent(1); run Users(); run Monitor();
		run Fault(0); run Fault(1);
#ifdef PRECOPY
		run Stream();
#endif
		run Run(1, MENU1, OPS1);
#if OPS2
		run Run(2, MENU2, OPS2);
#endif
#ifdef REACHED
		run Reach();
#endif
	}
}
