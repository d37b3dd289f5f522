/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes messages with Kafka's own code, so that ours can be compared with it byte by byte. Each API, version and
 * direction comes three times: everything set, everything null that may be, and everything left at its default.
 * A line holds key, version, "request" or "response", and the body in hexadecimal. README.md says how to run it.
 */
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.record.internal.MemoryRecords;

public class KafkaVectors {
    enum Fill { FULL, NULLS, DEFAULTS }

    private int counter;
    private final Fill fill;
    private final short version;

    KafkaVectors(Fill fill, short version) {
        this.fill = fill;
        this.version = version;
    }

    public static void main(String[] arguments) throws Exception {
        List<String> keys = Arrays.asList(arguments);

        System.out.println("# SPDX-License-Identifier: Apache-2.0");
        System.out.println("# Made by KafkaVectors.java: key, version, direction, body.");
        for (ApiMessageType api : ApiMessageType.values()) {
            if (!keys.contains(Short.toString(api.apiKey()))) {
                continue;
            }
            for (short v = api.lowestSupportedVersion(); v <= api.highestSupportedVersion(true); v++) {
                for (Fill fill : Fill.values()) {
                    print(api, v, "request", fill, api.newRequest());
                    print(api, v, "response", fill, api.newResponse());
                }
            }
        }
    }

    private static void print(ApiMessageType api, short version, String direction, Fill fill, Message message)
            throws Exception {
        ObjectSerializationCache cache = new ObjectSerializationCache();

        new KafkaVectors(fill, version).fill(message);
        ByteBuffer body = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(body), cache, version);
        StringBuilder hex = new StringBuilder();
        for (byte b : body.array()) {
            hex.append(String.format("%02x", b));
        }
        System.out.println(api.apiKey() + " " + version + " " + direction + " " + hex);
    }

    /* The fields that this version of a struct has, by their names on the wire. */
    private Map<String, org.apache.kafka.common.protocol.types.Type> typesOf(Class<?> type) throws Exception {
        Map<String, org.apache.kafka.common.protocol.types.Type> types = new HashMap<>();
        Schema schema = ((Schema[]) type.getField("SCHEMAS").get(null))[version];

        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields) {
                ((TaggedFields) field.def.type).fields().forEach((tag, tagged) -> types.put(tagged.name, tagged.type));
            } else {
                types.put(field.def.name, field.def.type);
            }
        }
        return types;
    }

    private static String wireName(String name) {
        return name.replaceAll("([A-Z])", "_$1").toLowerCase();
    }

    private void fill(Object message) throws Exception {
        Map<String, org.apache.kafka.common.protocol.types.Type> types = typesOf(message.getClass());

        for (Field field : message.getClass().getDeclaredFields()) {
            org.apache.kafka.common.protocol.types.Type type = types.remove(wireName(field.getName()));

            if (Modifier.isStatic(field.getModifiers()) || type == null) {
                continue;
            }
            field.setAccessible(true);
            if (fill == Fill.FULL) {
                field.set(message, value(field.getType(), field.getGenericType()));
            } else if (fill == Fill.NULLS && type.isNullable() && !field.getType().isPrimitive()) {
                field.set(message, null);
            }
        }
        if (!types.isEmpty()) {
            throw new IllegalStateException(message.getClass() + " has no " + types.keySet());
        }
    }

    private static Class<?> elementOf(Class<?> type, Type generic) {
        Type holder = generic instanceof ParameterizedType ? generic : type.getGenericSuperclass();

        return (Class<?>) ((ParameterizedType) holder).getActualTypeArguments()[0];
    }

    private Object value(Class<?> type, Type generic) throws Exception {
        counter++;
        if (type == boolean.class || type == Boolean.class) {
            return true;
        } else if (type == byte.class || type == Byte.class) {
            return (byte) (counter % 100 + 1);
        } else if (type == short.class || type == Short.class) {
            return (short) (counter + 0x0100);
        } else if (type == int.class || type == Integer.class) {
            return generic == null ? counter : counter + 0x010000;
        } else if (type == long.class || type == Long.class) {
            return counter + 0x0102030405060000L;
        } else if (type == double.class) {
            return counter + 0.5;
        } else if (type == String.class) {
            return "s" + counter + (counter % 7 == 0 ? "\u00e9" : "");
        } else if (type == Uuid.class) {
            return new Uuid(counter + 0x1000000000000000L, counter);
        } else if (type == byte[].class) {
            return new byte[] {1, 2, (byte) counter};
        } else if (type == ByteBuffer.class) {
            return ByteBuffer.wrap(new byte[] {3, 4, (byte) counter});
        } else if (type.getSimpleName().equals("BaseRecords")) {
            return MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {5, 6, 7, (byte) counter}));
        } else if (Collection.class.isAssignableFrom(type)) {
            return collection(type, generic);
        }
        Object struct = type.getConstructor().newInstance();
        fill(struct);
        return struct;
    }

    @SuppressWarnings("unchecked")
    private Object collection(Class<?> type, Type generic) throws Exception {
        Collection<Object> collection = type.isInterface()
            ? new ArrayList<>() : (Collection<Object>) type.getConstructor().newInstance();
        Class<?> element = elementOf(type, generic);

        for (int i = 0; i < 2; i++) {
            collection.add(value(element, element));
        }
        return collection;
    }
}
