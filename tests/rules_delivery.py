# SPDX-License-Identifier: Apache-2.0
"""Rules of wire-protocol.md about messages: frames, envelopes, topics,
numbers, snapshots.  See rules.py."""

from rules import NET, NODE, P1, equal, n, rule


@rule("frames")
def frames(t):
    t.start()
    t.expect(NET, "SUBNET s INFO SUCCESS", "VPC v INFO SUCCESS")
    envelope = t.c.envelope("GOAL_STATE_V2", sequence=1).SerializeToString()
    for junk in ([b""], [b"", b"", b""], [envelope, b"", b""], [b"\xff", b""],
                 [b"\x0a\x05a", b""], [b"x" * 100000, b""]):
        t.c.router.send_multipart([NODE.encode()] + junk)
    for junk in ([b"all"], [b"all", envelope], [b"all", envelope, b"", b""],
                 [b"all", b"\xff\xff", b"x"], [b"all", b"", b""]):
        t.c.publish_frames(junk)
    # SUB matches by prefix, the agent does not.
    t.send(n(1), topic="allx")
    t.send(n(1), topic="node/%sx" % NODE)
    t.expect(n(2), "NEIGHBOR n2 CREATE SUCCESS", topic="all")
    equal(t.stored(), ["NEIGHBOR n2 ok", "SUBNET s ok", "VPC v ok"])


@rule("what is not understood")
def not_understood(t):
    t.start()
    for version, kind, payload in ((0, 4, b""), (2, 4, b""), (1, 0, b""),
                                   (1, 20, b""), (1, 1, b""), (1, 6, b"")):
        envelope = t.c.envelope("GOAL_STATE_V2")
        envelope.protocol_version = version
        data = envelope.SerializeToString() + bytes((16, kind))
        t.c.router.send_multipart([NODE.encode(), data, payload])
        equal(t.answers(envelope.message_id), ["VPC  INFO FAILURE"])
    for kind in ("GOAL_STATE", "GOAL_STATE_V2", "SUBSCRIBE_INFO", "HELLO_REPLY",
                 "HOST_REPLY", "SNAPSHOT_BEGIN", "SNAPSHOT_END",
                 "TXN_PREPARE"):
        t.expect(b"\xff\xff", "VPC  INFO INVALID_ARG", kind=kind,
                 transaction_id="t" if kind == "TXN_PREPARE" else "")
    # Answers are not answered, nor is what has no id.
    t.send(b"\xff", kind="GOAL_STATE_REPLY")
    t.c.router.send_multipart([NODE.encode(), t.mq.Envelope(
        protocol_version=1, kind=4).SerializeToString(), b"\xff"])
    t.quiet("an answer", lambda: len(t.c.replies))
    t.expect(NET, "SUBNET s INFO SUCCESS", "VPC v INFO SUCCESS")


@rule("topics")
def topics(t):
    t.start()
    info = t.pb.NodeSubscribeInfo(topic="group/1", key="k")
    t.send(info, kind="SUBSCRIBE_INFO")
    t.c.wait_subscription("group/1")
    replies = [(e, p) for _, e, p in t.c.others
               if t.mq.Kind.Name(e.kind) == "SUBSCRIBE_REPLY"]
    equal(len(replies), 1)
    t.expect(NET + P1 % "", "PORT p1 CREATE SUCCESS", "SUBNET s INFO SUCCESS",
             "VPC v INFO SUCCESS", topic="group/1")
    t.c.wait_subscription("vpc/v")
    # Its own topics a node does not leave, others it does.
    for topic in ("all", "node/" + NODE, "vpc/v", "group/1"):
        t.send(t.pb.NodeSubscribeInfo(subscribe_operation=1, topic=topic),
               kind="SUBSCRIBE_INFO")
    t.c.wait(lambda: not t.c.subscriptions["group/1"], "end of group/1")
    for topic in ("all", "node/" + NODE, "vpc/v"):
        equal(t.c.subscriptions[topic], 1)
    t.expect(P1 % "op=DELETE", "PORT p1 DELETE SUCCESS")
    t.c.wait(lambda: not t.c.subscriptions["vpc/v"], "end of vpc/v")


@rule("duplicates")
def duplicates(t):
    t.start()
    t.expect(NET, "SUBNET s INFO SUCCESS", "VPC v INFO SUCCESS", topic="all")
    t.c._sequences["all"] = 0
    t.send(n(1), topic="all")
    t.expect(n(2), "NEIGHBOR n2 CREATE SUCCESS", topic="all")
    equal(t.stored("NEIGHBOR"), ["NEIGHBOR n2 ok"])


@rule("message_id seen again")
def message_id(t):
    t.start()
    id = t.expect(NET, "SUBNET s INFO SUCCESS", "VPC v INFO SUCCESS")
    t.send(n(1), message_id=id)
    equal(t.answers(id, 2), t.answers(id, 1))
    equal(t.stored(), ["SUBNET s ok", "VPC v ok"])


@rule("gaps")
def gaps(t):
    t.start()
    t.expect(NET, "SUBNET s INFO SUCCESS", "VPC v INFO SUCCESS", topic="all")
    t.c.next_sequence("all")
    t.expect(n(1), "NEIGHBOR n1 CREATE SUCCESS", topic="all")
    equal(dict(t.asks().positions), {"all": 1})
    equal(t.answers(t.snapshot(NET + n(1) + n(2))), ["-"])
    t.does_not_ask()
    # A topic never seen before counts as position 0.
    t.c.next_sequence("node/" + NODE)
    t.expect(n(3), "NEIGHBOR n3 CREATE SUCCESS", topic="node/" + NODE)
    equal(dict(t.asks().positions), {"all": 3})


def meet_new_epoch(t):
    """The publisher begins anew, with neighbour n1; its state is asked for."""
    t.start()
    t.expect(NET, "SUBNET s INFO SUCCESS", "VPC v INFO SUCCESS", topic="all")
    t.c.epoch += 1
    t.c._sequences.clear()
    t.expect(n(1), "NEIGHBOR n1 CREATE SUCCESS", topic="all")
    t.asks()


@rule("a new epoch")
def new_epoch(t):
    meet_new_epoch(t)
    equal(t.answers(t.snapshot(NET + n(1))), ["-"])
    t.expect(n(2), "NEIGHBOR n2 CREATE SUCCESS", topic="all")
    t.does_not_ask()


@rule("heartbeats")
def heartbeats(t):
    t.start()
    t.expect(NET, "SUBNET s INFO SUCCESS", "VPC v INFO SUCCESS", topic="all")
    for sequence, ahead in ((1, False), (2, True)):
        t.c.publish_frames([b"all", t.c.envelope(
            "HEARTBEAT", sequence=sequence).SerializeToString(), b""])
        if ahead:
            t.asks()
        else:
            t.does_not_ask()


@rule("the first start, and a lost store")
def first_start(t):
    t.c.manual = True
    t.c.wait_node(NODE)
    hello = t.asks()
    equal((hello.node_id, hello.host_ip, sorted(hello.topics)),
          (NODE, "172.31.0.1", ["all", "node/" + NODE]))
    equal(dict(hello.positions), {})
    equal(t.answers(t.snapshot(NET + n(1))), ["-"])
    t.expect(n(2), "NEIGHBOR n2 CREATE SUCCESS", topic="all")
    # What is stored is enough after a restart, without it is not.
    t.restart()
    t.c.wait(lambda: t.c.asked, "HELLO")
    hello = t.c.asked[-1][1]
    equal((dict(hello.positions), hello.epoch, hello.sender),
          ({"all": 1}, t.c.epoch, t.c.sender))
    equal(len(t.stored()), 4)
    t.restart("rm", "-rf", "alcor")
    equal(dict(t.asks().positions), {})
    equal(t.answers(t.snapshot(NET + n(1) + n(2))), ["-"])
    equal(len(t.stored()), 4)


@rule("joining a topic")
def joining(t):
    t.start()
    t.expect(NET + P1 % "", "PORT p1 CREATE SUCCESS", "SUBNET s INFO SUCCESS",
             "VPC v INFO SUCCESS", topic="node/" + NODE)
    t.c.wait_subscription("vpc/v")
    t.c.next_sequence("vpc/v")
    t.expect(n(1), "NEIGHBOR n1 CREATE SUCCESS", topic="vpc/v")
    equal(list(t.asks().topics), ["vpc/v"])
    equal(t.answers(t.snapshot(n(1) + n(2), topics=["vpc/v"])), ["-"])
    equal(len(t.stored()), 5)


@rule("a snapshot with a hole")
def hole(t):
    t.start()
    t.expect(NET, "SUBNET s INFO SUCCESS", "VPC v INFO SUCCESS", topic="all")
    t.c.next_sequence("all")
    t.expect(n(1), "NEIGHBOR n1 CREATE SUCCESS", topic="all")
    t.asks()
    for part in (2, 1, 3):
        t.snapshot(NET, n(2), without=part)
        t.asks()
        equal(t.stored("NEIGHBOR"), ["NEIGHBOR n1 ok"])
    # Cut off half-way: nothing changes, and messages go on being applied.
    t.snapshot(NET, n(2), without=4)
    t.expect(n(3), "NEIGHBOR n3 CREATE SUCCESS", topic="all")
    equal(t.stored("NEIGHBOR"), ["NEIGHBOR n1 ok", "NEIGHBOR n3 ok"])


@rule("I hold no state")
def no_state(t):
    meet_new_epoch(t)
    t.verdict("FAILURE")
    t.c.next_sequence("all")
    t.expect(n(2), "NEIGHBOR n2 CREATE SUCCESS", topic="all")
    t.does_not_ask()
    equal(t.stored("NEIGHBOR"), ["NEIGHBOR n1 ok", "NEIGHBOR n2 ok"])


@rule("the scope of a snapshot")
def scope(t):
    t.start()
    t.expect(NET + n(1), "NEIGHBOR n1 CREATE SUCCESS", "SUBNET s INFO SUCCESS",
             "VPC v INFO SUCCESS", topic="all")
    t.expect(n(2), "NEIGHBOR n2 CREATE SUCCESS", topic="node/" + NODE)
    t.c.next_sequence("all")
    t.expect(n(3), "NEIGHBOR n3 CREATE SUCCESS", topic="all")
    t.asks()
    equal(t.answers(t.snapshot(NET + n(4), topics=["all"])), ["-"])
    equal(t.stored("NEIGHBOR"), ["NEIGHBOR n2 ok", "NEIGHBOR n4 ok"])


@rule("what overtakes a snapshot")
def overtaking(t):
    t.start()
    t.expect(NET + n(1) + n(2), "NEIGHBOR n1 CREATE SUCCESS",
             "NEIGHBOR n2 CREATE SUCCESS", "SUBNET s INFO SUCCESS",
             "VPC v INFO SUCCESS", topic="all")
    t.c.next_sequence("all")
    t.expect(n(3), "NEIGHBOR n3 CREATE SUCCESS", topic="all")
    t.asks()
    positions = dict(t.c._sequences)
    # An update, a creation and a deletion, and the first message of a topic,
    # which has no position at all.
    t.expect(n(1, host=3) + n(4) + n(2, "op=DELETE"),
             "NEIGHBOR n1 CREATE SUCCESS", "NEIGHBOR n2 DELETE SUCCESS",
             "NEIGHBOR n4 CREATE SUCCESS", topic="all")
    t.expect(n(5), "NEIGHBOR n5 CREATE SUCCESS", topic="node/" + NODE)
    equal(t.answers(t.snapshot(NET + n(1) + n(2) + n(6),
                               positions=positions)), ["-"])
    equal(t.stored("NEIGHBOR"), ["NEIGHBOR n%d ok" % i for i in (1, 4, 5, 6)])
    assert "host_ip_address: 172.31.0.3" in t.shown("NEIGHBOR", "n1")


@rule("one answer for a snapshot")
def one_answer(t):
    t.c.manual = True
    t.c.wait_node(NODE)
    t.asks()
    count = len(t.c.replies)
    end = t.snapshot(NET, n(1) + n(2, subnet="none"),
                     n(3).replace("02:00:00:00:00:0d", "01:00:00:00:00:0d"))
    equal(t.answers(end), ["NEIGHBOR n2 CREATE PENDING",
                           "NEIGHBOR n3 CREATE INVALID_ARG"])
    equal(len(t.c.replies), count + 1)
