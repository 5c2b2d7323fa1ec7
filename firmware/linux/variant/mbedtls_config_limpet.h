// limpetd's TLS: a client of TLS 1.2, and no more than brokers and servers need today.
//
// In: ECDHE with ECDSA or RSA certificates (P-256, P-384, X25519; RSA up to 4096 bits), AES-GCM
// and ChaCha20-Poly1305 for machines without AES instructions, client certificates (mTLS) with keys
// of either kind, server names, certificates in DER (agent/mqtt/tls.py takes PEM apart itself).
// Out: servers, SHA-1 (4 KB), DTLS, TLS 1.0 and 1.1, key exchange by RSA alone (no forward secrecy),
// curves that nobody uses, AES-CBC (every server of TLS 1.2 that is kept has GCM), RSA-PSS (it is TLS
// 1.3's), PEM: 7 KB; descriptions of certificates and names of errors: 9 KB, small.c has what matters.
// TLS 1.3 stays out: it wants the PSA layer of mbedtls; what that costs was not measured.
#ifndef LIMPET_MBEDTLS_CONFIG_H
#define LIMPET_MBEDTLS_CONFIG_H

#include "py/mpconfig.h"

// Certificates have dates, and they are checked.
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_DEPRECATED_REMOVED

// Protocol
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
// Records: a peer may send 16 KB at once; ours are small.
#define MBEDTLS_SSL_IN_CONTENT_LEN (16384)
#define MBEDTLS_SSL_OUT_CONTENT_LEN (4096)

// Ciphers
#define MBEDTLS_CIPHER_C
#define MBEDTLS_AES_C
#define MBEDTLS_AES_FEWER_TABLES // smaller tables, a little slower; not measured apart
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_BLOCK_CIPHER_NO_DECRYPT // what GCM needs of AES is encryption
#define MBEDTLS_GCM_C
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C

// Digests
#define MBEDTLS_MD_C
#define MBEDTLS_SHA224_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA256_SMALLER
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#define MBEDTLS_SHA512_SMALLER

// Public keys
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_MPI_MAX_SIZE 512
#define MBEDTLS_ECP_C
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 0 // 5,000 of tables
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_OID_C
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C

// Certificates
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_REMOVE_INFO

// Randomness
#define MBEDTLS_ENTROPY_C
#define MBEDTLS_CTR_DRBG_C

#define MBEDTLS_ERROR_C // the words are in small.c

// Left out with MBEDTLS_X509_REMOVE_INFO; in small.c instead.
#include <stddef.h>
#include <stdint.h>
int mbedtls_x509_crt_verify_info(char *out, size_t size, const char *prefix, uint32_t flags);

#endif
