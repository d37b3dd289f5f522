/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes records of __consumer_offsets with Kafka's own code, so that ours can be compared with it, and the partitions
 * to which Kafka gives groups. README.md says how to run it and what a line holds.
 */
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupMetadataKey;
import org.apache.kafka.coordinator.group.generated.GroupMetadataKey;
import org.apache.kafka.coordinator.group.generated.GroupMetadataValue;
import org.apache.kafka.coordinator.group.generated.LegacyOffsetCommitKey;
import org.apache.kafka.coordinator.group.generated.OffsetCommitKey;
import org.apache.kafka.coordinator.group.generated.OffsetCommitValue;

public class GroupRecords {
    private static final int HASHED_COUNT = 400;

    public static void main(String[] arguments) {
        System.out.println("# SPDX-License-Identifier: Apache-2.0");
        System.out.println("# Made by GroupRecords.java: kind, name, bytes.");
        keys();
        offsets();
        groups();
        hashes();
    }

    private static void keys() {
        key("offset", 1, new OffsetCommitKey().setGroup("billing").setTopic("orders").setPartition(258));
        key("offset-0", 0, new LegacyOffsetCommitKey().setGroup("billing").setTopic("orders").setPartition(258));
        key("group", 2, new GroupMetadataKey().setGroup("billing"));
        key("group-utf8", 2, new GroupMetadataKey().setGroup("gr\u00fc\u00dfe \u20ac \ud83d\ude80"));
        key("other", 3, new ConsumerGroupMetadataKey().setGroupId("billing"));
    }

    private static void key(String name, int type, Message key) {
        line("key", name, versioned(type, 0, key));
    }

    private static void offsets() {
        for (short version = 0; version <= OffsetCommitValue.HIGHEST_SUPPORTED_VERSION; version++) {
            line("offset", "full-" + version, versioned(version, version, fullOffset(version)));
            line("offset", "empty-" + version, versioned(version, version,
                new OffsetCommitValue().setOffset(0).setMetadata("").setCommitTimestamp(0)));
        }
        OffsetCommitValue later = fullOffset((short) 4);
        later.unknownTaggedFields().add(new RawTaggedField(9, new byte[] { 1, 2, 3 }));
        line("offset", "unknown-tag-4", versioned(4, 4, later));
    }

    private static OffsetCommitValue fullOffset(short version) {
        OffsetCommitValue value = new OffsetCommitValue().setOffset(0x0102030405060708L).setMetadata("gr\u00fc\u00dfe")
            .setCommitTimestamp(1700000000123L);

        if (version == 1) {
            value.setExpireTimestamp(1700000600123L);
        }
        if (version >= 3) {
            value.setLeaderEpoch(17);
        }
        if (version >= 4) {
            value.setTopicId(new Uuid(0x0011223344556677L, 0x8899aabbccddeeffL));
        }
        return value;
    }

    private static void groups() {
        for (short version = 0; version <= GroupMetadataValue.HIGHEST_SUPPORTED_VERSION; version++) {
            line("group", "full-" + version, versioned(version, version, fullGroup(version)));
            line("group", "empty-" + version, versioned(version, version,
                new GroupMetadataValue().setProtocolType("").setGeneration(0).setProtocol(null).setLeader(null)));
        }
        GroupMetadataValue later = fullGroup((short) 4);
        later.unknownTaggedFields().add(new RawTaggedField(0, new byte[] { 1, 2, 3 }));
        later.members().get(1).unknownTaggedFields().add(new RawTaggedField(5, new byte[200]));
        line("group", "unknown-tag-4", versioned(4, 4, later));
    }

    private static GroupMetadataValue fullGroup(short version) {
        List<GroupMetadataValue.MemberMetadata> members = new ArrayList<>();

        for (int i = 0; i < 2; i++) {
            GroupMetadataValue.MemberMetadata member = new GroupMetadataValue.MemberMetadata()
                .setMemberId("member-" + i).setClientId("client-" + i).setClientHost("/10.0.0." + i)
                .setSessionTimeout(45000 + i).setSubscription(new byte[] { 0, 1, (byte) i })
                .setAssignment(i == 0 ? new byte[] { 7, 8, 9, 10 } : new byte[0]);
            if (version >= 1) {
                member.setRebalanceTimeout(300000 + i);
            }
            if (version >= 3 && i == 1) {
                member.setGroupInstanceId("instance");
            }
            members.add(member);
        }
        GroupMetadataValue value = new GroupMetadataValue().setProtocolType("consumer").setGeneration(7).setProtocol("range")
            .setLeader("member-0").setMembers(members);
        return version >= 2 ? value.setCurrentStateTimestamp(1700000000456L) : value;
    }

    /* Ids of groups, random bytes among them, and the partition of 50 in which Kafka keeps each. */
    private static void hashes() {
        Random random = new Random(11);

        /* The last has a hash of -2^31. */
        for (String text : new String[] { "", "a", "billing", "gr\u00fc\u00dfe \u20ac \ud83d\ude80", "polygenelubricants" }) {
            hash(text.getBytes(StandardCharsets.UTF_8));
        }
        for (int i = 0; i < HASHED_COUNT; i++) {
            hash(strange(random));
        }
    }

    /* Bytes of which UTF-8 is made, not all of them where they belong. */
    private static byte[] strange(Random random) {
        int[] interesting = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed,
            0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff };
        byte[] bytes = new byte[1 + random.nextInt(8)];

        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) interesting[random.nextInt(interesting.length)];
        }
        return bytes;
    }

    private static void hash(byte[] bytes) {
        String text = new String(bytes, StandardCharsets.UTF_8);

        line("partition", Integer.toString(Utils.abs(text.hashCode()) % 50), bytes);
    }

    private static byte[] versioned(int prefix, int version, Message message) {
        ByteBuffer body = MessageUtil.toByteBufferAccessor(message, (short) version).buffer();
        byte[] bytes = new byte[2 + body.remaining()];

        bytes[0] = (byte) (prefix >> 8);
        bytes[1] = (byte) prefix;
        body.get(bytes, 2, body.remaining());
        return bytes;
    }

    private static void line(String kind, String name, byte[] bytes) {
        System.out.println(kind + " " + name + " " + HexFormat.of().formatHex(bytes));
    }
}
