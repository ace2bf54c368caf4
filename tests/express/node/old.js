'use strict'

// `node --require old.js server.js`: the example on old releases. Where a module of the example asks
// for a package that this folder has under the name with "-old", it gets that one.

const Module = require('node:module')
const { dependencies } = require('./package.json')

// Names that stay new: express-mysql-session 2 cannot sign in to MySQL 8 and later.
const kept = (process.env.NEW_RELEASES || '').split(' ')

const resolve = Module._resolveFilename
Module._resolveFilename = function (request, parent, ...rest) {
  const old = `${request}-old`
  const isPackage = parent?.filename?.includes('node_modules')
  return Object.hasOwn(dependencies, old) && !isPackage && !kept.includes(request)
    ? resolve.call(this, old, module, ...rest)
    : resolve.call(this, request, parent, ...rest)
}
