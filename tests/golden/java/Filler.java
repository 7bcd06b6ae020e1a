/* SPDX-License-Identifier: LGPL-2.1-or-later */

import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Random;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.NullableSchema;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;

/** Fills a message of Apache Kafka, by reflection, with what one version of it can carry: the schema of that version
 * says which fields there are, which may be null and which are tagged; all others keep their defaults. */
final class Filler {
    enum Filling {
        /** Nothing is set. */
        DEFAULT,
        /** Null wherever it is allowed, one element in each other array. */
        NULLS,
        /** Random values, short strings and arrays, some nulls, some tagged fields. */
        RANDOM,
        /** Everything set, tagged fields too. */
        FULL,
        /** The smallest and largest integers. */
        EXTREME,
        /** Strings and arrays of numbers with 126 to 300 elements, for lengths of one and two bytes. */
        LONG,
        /** The first array has 130 elements, the rest is left at its defaults. */
        MANY,
    }

    private static final int[] LONG_SIZES = { 126, 127, 128, 129, 255, 256, 300 };
    private static final String[] WORDS = { "orders", "a", "topic-1", "grün", "日本", "x.y_z", "\uD83D\uDE00" };

    private final Filling filling;
    private final Random random;
    private final Random unknownTags;
    private boolean metArray;

    /** With unknownTags all structs get tagged fields that nobody knows; null for none. */
    Filler(Filling filling, Random random, Random unknownTags) {
        this.filling = filling;
        this.random = random;
        this.unknownTags = unknownTags;
    }

    void fill(Message message, Schema schema) throws ReflectiveOperationException {
        boolean flexible = false;
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields) {
                flexible = true;
                for (Field tagged : ((TaggedFields) bound.def.type).fields().values())
                    if (wantsTagged())
                        set(message, tagged);
            } else {
                set(message, bound.def);
            }
        }
        if (flexible && unknownTags != null)
            for (int i = 0, tag = 1000; i < 1 + unknownTags.nextInt(2); i++, tag += 1 + unknownTags.nextInt(100000)) {
                byte[] data = new byte[unknownTags.nextInt(5)];
                unknownTags.nextBytes(data);
                message.unknownTaggedFields().add(new RawTaggedField(tag, data));
            }
    }

    private boolean wantsTagged() {
        switch (filling) {
        case DEFAULT:
        case NULLS:
        case MANY:
            return false;
        case RANDOM:
            return random.nextBoolean();
        default:
            return true;
        }
    }

    /** Fields are named in snake case in schemas and in camel case in setters. */
    private static Method setter(Message message, String name) {
        String wanted = "set" + name.replace("_", "");
        for (Method method : message.getClass().getMethods())
            if (method.getName().equalsIgnoreCase(wanted) && method.getParameterCount() == 1)
                return method;
        throw new IllegalStateException(message.getClass() + " has no setter for " + name);
    }

    private void set(Message message, Field field) throws ReflectiveOperationException {
        if (filling == Filling.DEFAULT)
            return;
        if (filling == Filling.MANY && (metArray || !field.type.isArray()))
            return;
        Method setter = setter(message, field.name);
        setter.invoke(message, value(field.type, setter.getGenericParameterTypes()[0]));
    }

    private static Type elementType(Type type) {
        return type.arrayElementType().orElseThrow();
    }

    private static boolean isNumber(Type type) {
        return type instanceof Type.DocumentedType && ((Type.DocumentedType) type).typeName().startsWith("INT");
    }

    private boolean wantsNull(Type type) {
        boolean nullable = type.isNullable() || type instanceof NullableSchema;
        return nullable && (filling == Filling.NULLS || (filling == Filling.RANDOM && random.nextInt(4) == 0));
    }

    private Object value(Type type, java.lang.reflect.Type javaType) throws ReflectiveOperationException {
        if (wantsNull(type))
            return null;
        if (type.isArray())
            return array(elementType(type), javaType);
        if (type instanceof Schema) {
            Message struct = (Message) ((Class<?>) javaType).getDeclaredConstructor().newInstance();
            fill(struct, (Schema) type);
            return struct;
        }
        return primitive(type, javaType);
    }

    private int arraySize(Type element) {
        switch (filling) {
        case RANDOM:
            return random.nextInt(4);
        case FULL:
            return 1 + random.nextInt(2);
        case LONG:
            return isNumber(element) ? LONG_SIZES[random.nextInt(LONG_SIZES.length)] : 1;
        case MANY:
            return 130;
        default:
            return 1;
        }
    }

    @SuppressWarnings("unchecked")
    private Object array(Type element, java.lang.reflect.Type javaType) throws ReflectiveOperationException {
        Collection<Object> to;
        java.lang.reflect.Type javaElement;

        if (javaType instanceof ParameterizedType) {
            to = new ArrayList<>();
            javaElement = ((ParameterizedType) javaType).getActualTypeArguments()[0];
        } else {
            Class<?> collection = (Class<?>) javaType;
            to = (Collection<Object>) collection.getDeclaredConstructor().newInstance();
            javaElement = ((ParameterizedType) collection.getGenericSuperclass()).getActualTypeArguments()[0];
        }
        metArray = true;
        for (int i = arraySize(element); i > 0; i--)
            to.add(value(element, javaElement));
        return to;
    }

    private Object primitive(Type type, java.lang.reflect.Type javaType) {
        String name = ((Type.DocumentedType) type).typeName();
        switch (name) {
        case "BOOLEAN":
            return random.nextBoolean();
        case "INT8":
            return (byte) integer(8);
        case "INT16":
            return (short) integer(16);
        case "UINT16":
            return (int) integer(16) & 0xffff;
        case "INT32":
            return (int) integer(32);
        case "UNSIGNED_INT32":
            return integer(32) & 0xffffffffL;
        case "INT64":
            return integer(64);
        case "FLOAT64":
            return random.nextGaussian() * 1e9;
        case "UUID":
            return new Uuid(random.nextLong(), random.nextLong());
        case "STRING":
        case "COMPACT_STRING":
        case "NULLABLE_STRING":
        case "COMPACT_NULLABLE_STRING":
            return string();
        case "BYTES":
        case "COMPACT_BYTES":
        case "NULLABLE_BYTES":
        case "COMPACT_NULLABLE_BYTES":
            return javaType == byte[].class ? bytes() : ByteBuffer.wrap(bytes());
        case "RECORDS":
        case "COMPACT_RECORDS":
        case "NULLABLE_RECORDS":
        case "COMPACT_NULLABLE_RECORDS":
            return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
        default:
            throw new IllegalStateException("no values for " + name);
        }
    }

    private long integer(int bits) {
        long min = -1L << (bits - 1);
        if (filling == Filling.EXTREME)
            return random.nextBoolean() ? min : -1 - min;
        if (random.nextInt(4) == 0)
            return random.nextInt(3) - 1;
        return random.nextLong() >> (64 - bits);
    }

    private int size() {
        if (filling == Filling.LONG)
            return LONG_SIZES[random.nextInt(LONG_SIZES.length)];
        return filling == Filling.NULLS ? 0 : random.nextInt(12);
    }

    private String string() {
        StringBuilder s = new StringBuilder();
        for (int n = size(); s.length() < n;)
            s.append(WORDS[random.nextInt(WORDS.length)]);
        return s.toString();
    }

    private byte[] bytes() {
        byte[] b = new byte[size()];
        random.nextBytes(b);
        return b;
    }
}
