'use strict'

const crypto = require('node:crypto')
const { promisify } = require('node:util')

const pbkdf2 = promisify(crypto.pbkdf2)
// Compared with when there is no such user, so that both answers take the same time.
const NOBODY = 'pbkdf2_sha256$1000000$nobody$' + 'A'.repeat(43) + '='

// Check a password against what Django keeps: pbkdf2_sha256$iterations$salt$hash.
async function checkPassword (password, encoded) {
  const [algorithm, iterations, salt, hash] = (encoded || NOBODY).split('$')
  if (algorithm !== 'pbkdf2_sha256') return false
  const kept = Buffer.from(hash, 'base64')
  const given = await pbkdf2(password, salt, Number(iterations), kept.length, 'sha256')
  return crypto.timingSafeEqual(given, kept)
}

module.exports = { checkPassword }
